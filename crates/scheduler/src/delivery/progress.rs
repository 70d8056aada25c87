//! Reports the progress of a delivery.

use std::{fmt, sync::Arc};

use mer_core::WeightsVersion;

/// Something that happened in a delivery.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum DeliveryEvent<'a> {
    /// More bytes were transferred.
    Transferred {
        /// The weights.
        version: &'a WeightsVersion,
        /// Name of the server that they are delivered to.
        server: &'a str,
        /// Bytes transferred so far, out of [`WeightsVersion::bytes`].
        bytes: u64,
    },
    /// The delivery is over, whether it succeeded or not.
    Over,
}

/// Receives the events of deliveries. Must not block. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryObserver(Arc<dyn Fn(DeliveryEvent<'_>) + Send + Sync>);

impl DeliveryObserver {
    /// Makes an observer of a function that is called for every event.
    pub fn new(observe: impl Fn(DeliveryEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Reports an event, for one that happened in another process.
    pub fn report(&self, event: DeliveryEvent<'_>) {
        let Self(observe) = self;
        observe(event);
    }
}

impl fmt::Debug for DeliveryObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeliveryObserver")
    }
}

/// Reports one delivery to its observer. Cheap to clone; the delivery is over when the last clone is dropped.
#[derive(Clone)]
pub(super) struct DeliveryProgress(Arc<Shared>);

struct Shared {
    version: WeightsVersion,
    server: String,
    observer: Option<DeliveryObserver>,
}

impl DeliveryProgress {
    pub(super) fn new(version: &WeightsVersion, server: &str, observer: Option<DeliveryObserver>) -> Self {
        Self(Arc::new(Shared { version: version.clone(), server: server.to_owned(), observer }))
    }

    /// Reports the number of bytes transferred so far.
    pub(super) fn transferred(&self, bytes: u64) {
        if let Shared { version, server, observer: Some(observer) } = &*self.0 {
            observer.report(DeliveryEvent::Transferred { version, server, bytes });
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.report(DeliveryEvent::Over);
        }
    }
}
