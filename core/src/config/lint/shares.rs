//! Shares of the work that share nothing, and costs that are known in part.

use super::{place, primaries};
use crate::config::policy::{Model, Task};
use crate::config::presets::{self, Preset};
use crate::config::problem::{Findings, Places, join};

pub(super) fn add(task: &Task, places: &Places, lints: &mut Findings) {
    let path = join("tasks", &task.name);
    if task.sticky.is_some() && primaries(task) < 2 {
        lints.add(places.find(&join(&path, "sticky")), "makes no difference, since there is one primary");
    }
    let mut working = task.candidates.iter().zip(&task.weights).filter(|(_, weight)| **weight > 0);
    if let (Some((only, _)), None) = (working.next(), working.next()) {
        let sentence = format!("every call goes to {}, since the other weights are 0", only.name());
        lints.add(places.find(&join(&path, "primary")), sentence);
    }
    // What runs on a machine of one's own has no price a token.
    let local = |model: &Model| presets::find(&model.provider.kind).is_some_and(Preset::is_local);
    let unknown = |model: &Model| model.price.is_none() && !local(model);
    if task.candidates.iter().all(|model| model.price.is_none()) {
        return;
    }
    for (i, model) in task.candidates.iter().enumerate().filter(|(_, model)| unknown(model)) {
        let sentence =
            format!("the cost of {} is unknown, unlike that of other candidates; set its price", model.name());
        lints.add(place(task, i, places), sentence);
    }
}
