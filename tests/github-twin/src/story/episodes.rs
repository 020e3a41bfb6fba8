//! Several short stories that happen one after another in one world, told in words: what a demonstration shows.
//!
//! Invariant: the steps are those of stories; an unknown step is an error. Next: `step.rs`.

use super::{EnvironmentSpec, Step, StoryError, WorldSpec};
use serde::Deserialize;

/// A world, and what happens in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episodes {
    /// What there is at the start.
    pub world: WorldSpec,
    /// What happens, in order.
    pub episodes: Vec<Episode>,
}

/// One situation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// A sentence.
    pub name: String,
    /// From here on the environment `production` asks these for approval; absent: as before.
    #[serde(default)]
    pub environment: Option<EnvironmentSpec>,
    /// What happens.
    pub story: Vec<ToldStep>,
}

/// A step, and what is said of it.
#[derive(Debug, Clone, Deserialize)]
pub struct ToldStep {
    /// In words; what is expected needs none.
    #[serde(default)]
    pub say: Option<String>,
    /// The step.
    #[serde(flatten)]
    pub step: Step,
}

impl Episodes {
    /// Parses a text.
    pub fn parse(text: &str) -> Result<Self, StoryError> {
        serde_saphyr::from_str(text).map_err(|error| StoryError::Unparsable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_step_is_told_in_words_or_not() {
        let text = "world: {}\nepisodes:\n  - name: x\n    story:\n      - {say: ann closes it, close: {pr: 1, by: ann}}\n      - close: {pr: 1, by: ann}\n";
        let episodes = Episodes::parse(text).unwrap();
        let told: Vec<_> =
            episodes.episodes.iter().flat_map(|episode| &episode.story).map(|it| it.say.as_deref()).collect();
        assert_eq!(told, [Some("ann closes it"), None]);
    }

    #[test]
    fn a_step_that_does_not_exist_is_an_error() {
        let text = "world: {}\nepisodes:\n  - name: x\n    story:\n      - {say: boom, slam: {pr: 1}}\n";
        assert!(Episodes::parse(text).is_err());
        let text = "world: {}\nepisodes:\n  - name: x\n    story:\n      - {close: {pr: 1, by: ann, loudly: true}}\n";
        assert!(Episodes::parse(text).is_err());
    }
}
