//! Real git objects in a bare repository.

/// The objects and refs of one world.
#[derive(Debug)]
pub struct Git;
