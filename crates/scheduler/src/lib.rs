//! One run from its request to its record: placement, journal, execution, outcome.
