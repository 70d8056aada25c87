//! What a kept process is started from. It serves only requests that would start the same.

use mer_core::{Bounds, RunSpec};

use crate::placement::Placement;

/// What a process is started from, with the hash of its weights in the place of their path.
#[derive(Debug)]
pub(crate) struct ProcessKey {
    spec: RunSpec,
    placement: Placement,
}

impl ProcessKey {
    pub(crate) fn new(placement: &Placement, spec: &RunSpec) -> Self {
        Self { spec: spec.clone(), placement: placement.clone() }
    }

    pub(crate) const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Whether a process of this key serves requests that are to be served by such a process. The bound on a run is the
    /// request's own.
    pub(crate) fn fits(&self, placement: &Placement, spec: &RunSpec) -> bool {
        let RunSpec { argv, cwd, env, protocol, tokens, bounds, leave_children } = &self.spec;
        let is_registered = self.is_registered_as(placement);
        is_registered
            && (argv, cwd, env) == (&spec.argv, &spec.cwd, &spec.env)
            && (protocol, tokens, leave_children) == (&spec.protocol, &spec.tokens, &spec.leave_children)
            && Bounds { timeout: spec.bounds.timeout, ..*bounds } == spec.bounds
    }

    /// Whether model and server are registered as they were when the process was started.
    pub(crate) fn is_registered_as(&self, placement: &Placement) -> bool {
        self.placement == *placement
    }

    /// Whether a process of this key serves what a process of another one serves.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.fits(&other.placement, &other.spec)
    }
}
