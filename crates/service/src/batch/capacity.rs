//! How many parts may run at once, which changes while servers are set aside and come back.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use mer_scheduler::{BatchPlaces, PlaceUse};
use tokio::{sync::watch, time::sleep};

/// Pause between two looks for servers that come back.
const LOOK: Duration = Duration::from_millis(500);

/// The places of a batch, and how many of them may be used now.
#[derive(Debug)]
pub(super) struct Capacity {
    places: BatchPlaces,
    now: watch::Sender<usize>,
}

impl Capacity {
    /// Must be called within a tokio runtime.
    pub(super) fn new(places: BatchPlaces) -> Arc<Self> {
        let now = watch::Sender::new(places.capacity());
        let capacity = Arc::new(Self { places, now });
        tokio::spawn(look_for_servers(Arc::downgrade(&capacity)));
        capacity
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<usize> {
        self.now.subscribe()
    }

    /// Takes a place; none if all servers are set aside.
    pub(super) fn take(self: &Arc<Self>, avoided: Option<&str>) -> Option<TakenPlace> {
        let server = self.places.take(avoided)?;
        Some(TakenPlace { capacity: Arc::clone(self), server, place: PlaceUse::Unknown })
    }

    /// Whether the model cannot be started on any server.
    pub(super) fn is_hopeless(&self) -> bool {
        self.places.is_hopeless()
    }

    fn look(&self) {
        let capacity = self.places.capacity();
        self.now.send_if_modified(|now| std::mem::replace(now, capacity) != capacity);
    }
}

async fn look_for_servers(capacity: Weak<Capacity>) {
    loop {
        sleep(LOOK).await;
        let Some(capacity) = capacity.upgrade() else { return };
        capacity.look();
    }
}

/// A place of a part. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct TakenPlace {
    capacity: Arc<Capacity>,
    pub(super) server: String,
    place: PlaceUse,
}

impl TakenPlace {
    /// Gives the place back after its use. Returns whether the model cannot be started on any server.
    pub(super) fn give_back(mut self, place: PlaceUse) -> bool {
        self.place = place;
        let capacity = Arc::clone(&self.capacity);
        drop(self);
        capacity.is_hopeless()
    }
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        self.capacity.places.give_back(&self.server, self.place);
        self.capacity.look();
    }
}
