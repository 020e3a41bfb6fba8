//! The controls that were assessed, as OSCAL names them.
//!
//! Invariant: a control has one id, whoever speaks of it; those of NIST SP 800-53 are the ids of its OSCAL catalogue.

use super::model::{All, ById, ControlSelection, ReviewedControls};
use crate::evidence::catalogue::{Catalogue, Control};
use crate::evidence::criteria;

/// What was reviewed, one selection for each framework.
pub(super) fn reviewed(catalogue: &Catalogue) -> ReviewedControls {
    let mut selections: Vec<ControlSelection> = Vec::new();
    let mut framework = String::new();
    for (control, _) in catalogue.by_control() {
        if selections.is_empty() || control.framework != framework {
            framework.clone_from(&control.framework);
            let description = criteria::title(&framework).to_owned();
            selections.push(ControlSelection { description, include_all: None, include_controls: Vec::new() });
        }
        if let Some(selection) = selections.last_mut() {
            selection.include_controls.push(ById { control_id: token(control) });
        }
    }
    if selections.is_empty() {
        let description = "No decision is in this range".to_owned();
        selections.push(ControlSelection { description, include_all: Some(All {}), include_controls: Vec::new() });
    }
    ReviewedControls { control_selections: selections }
}

/// A control's id as OSCAL spells ids.
pub(super) fn token(control: &Control) -> String {
    let whole = match control.framework.as_str() {
        "NIST-800-53r5" => control.id.clone(),
        framework => format!("{framework}_{}", control.id),
    };
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
    let spelled: String = whole.to_ascii_lowercase().chars().map(plain).collect();
    let spelled = spelled.trim_end_matches('-');
    if spelled.starts_with(|first: char| first.is_ascii_alphabetic()) {
        spelled.to_owned()
    } else {
        format!("_{spelled}")
    }
}
