//! What callers send: read whole before anything is asked of it, in time, and within a room that all of them share.
//!
//! Invariant: nobody holds this service's memory or a connection for longer than `patience`, whoever they are: who is asked
//! is known only once the body is there. What every caller may send is free; only what is larger takes room.

use super::problem::Problem;
use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is given out in pieces of this size. The first one is free: of what GitHub sends nearly all fits into it.
const PIECE: usize = 1 << 16;
/// So many pieces are given out at a time: five of the largest payloads, or thousands of those a little above the usual.
const PIECES: usize = 2_048;

/// The room that is left.
#[derive(Debug, Clone)]
pub struct Bodies {
    room: Arc<Semaphore>,
    patience: Duration,
}

/// A body, and the room it takes until it is dropped.
#[derive(Debug)]
pub struct Taken {
    /// The body.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untaken {
    /// It is larger than this door takes.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// Too many large ones are being read.
    NoRoom,
    /// It broke off.
    Broken,
}

impl Bodies {
    /// All the room; a body may take so long to come.
    pub fn new(patience: Duration) -> Self {
        Self { room: Arc::new(Semaphore::new(PIECES)), patience }
    }

    /// Reads a body of at most `most` bytes.
    pub async fn take(&self, body: Body, most: usize) -> Result<Taken, Untaken> {
        tokio::time::timeout(self.patience, self.read(body, most)).await.map_err(|_| Untaken::TooSlow)?
    }

    async fn read(&self, mut body: Body, most: usize) -> Result<Taken, Untaken> {
        let (mut read, mut room) = (Vec::new(), None::<OwnedSemaphorePermit>);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Untaken::Broken)?.into_data() else { continue };
            if read.len() + data.len() > most {
                return Err(Untaken::TooLarge);
            }
            read.extend_from_slice(&data);
            let needed = read.len().saturating_sub(1) / PIECE;
            let more = needed.saturating_sub(room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
            if more > 0 {
                let more = u32::try_from(more).map_err(|_| Untaken::TooLarge)?;
                let given = self.room.clone().try_acquire_many_owned(more).map_err(|_| Untaken::NoRoom)?;
                match &mut room {
                    Some(room) => room.merge(given),
                    None => room = Some(given),
                }
            }
        }
        Ok(Taken { bytes: Bytes::from(read), _room: room })
    }
}

impl From<Untaken> for Problem {
    fn from(why: Untaken) -> Self {
        match why {
            Untaken::TooLarge => Self::too_large(),
            Untaken::TooSlow => Self::too_slow(),
            Untaken::NoRoom => Self::unavailable(),
            Untaken::Broken => Self::bad_request("the body broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LARGEST: usize = 25 * 1024 * 1024;

    fn of(bytes: usize) -> Body {
        Body::from(vec![b'.'; bytes])
    }

    #[tokio::test]
    async fn large_bodies_share_a_room_and_usual_ones_always_fit() {
        let bodies = Bodies::new(Duration::from_secs(30));
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(bodies.take(of(LARGEST), LARGEST).await.unwrap());
        }
        assert_eq!(bodies.take(of(LARGEST), LARGEST).await.unwrap_err(), Untaken::NoRoom);
        for _ in 0..2_000 {
            held.push(bodies.take(of(PIECE), LARGEST).await.unwrap());
        }
        held.clear();
        assert_eq!(bodies.take(of(LARGEST), LARGEST).await.unwrap().bytes.len(), LARGEST);
        assert_eq!(bodies.room.available_permits(), PIECES);
        // A burst of payloads that are larger than the usual finds room too.
        for _ in 0..2_000 {
            held.push(bodies.take(of(2 * PIECE), LARGEST).await.unwrap());
        }
        assert_eq!(bodies.take(of(17), 16).await.unwrap_err(), Untaken::TooLarge);
    }
}
