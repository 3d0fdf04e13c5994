//! How long a candidate takes: percentiles of its recent times, in bounded memory.

use std::time::Duration;

use sketches_ddsketch::{Config, DDSketch};

use crate::types::Percentiles;

/// So many samples there must be before they are believed.
pub(super) const ENOUGH: usize = 20;
/// The percentiles speak of the last so many samples, or up to twice as many.
const MEMORY: usize = 500;
/// How far a percentile may be off.
const ERROR: f64 = 0.01;
/// Bins of a sketch: enough for a millisecond to an hour.
const BINS: u32 = 1024;

/// Two sketches: the older one is asked; the younger one takes its place when that has seen enough.
#[derive(Clone, Default)]
pub(super) struct Times {
    older: Option<Box<DDSketch>>,
    younger: Option<Box<DDSketch>>,
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        let ms = time.as_secs_f64() * 1e3;
        let fresh = || Box::new(DDSketch::new(Config::new(ERROR, BINS, 1e-3)));
        let older = self.older.get_or_insert_with(fresh);
        older.add(ms);
        if older.count() > MEMORY {
            self.younger.get_or_insert_with(fresh).add(ms);
        }
        if older.count() >= 2 * MEMORY {
            self.older = self.younger.take();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.older.as_ref().map_or(0, |sketch| sketch.count())
    }

    /// A percentile, 1 to 99, once there are enough samples.
    pub(super) fn percentile(&self, percent: u8) -> Option<Duration> {
        let sketch = self.older.as_ref().filter(|sketch| sketch.count() >= ENOUGH)?;
        at(sketch, percent)
    }

    pub(super) fn report(&self) -> Option<Percentiles> {
        let sketch = self.older.as_ref()?;
        Some(Percentiles {
            samples: sketch.count() as u64,
            p50: at(sketch, 50)?,
            p95: at(sketch, 95)?,
            p99: at(sketch, 99)?,
        })
    }
}

fn at(sketch: &DDSketch, percent: u8) -> Option<Duration> {
    let ms = sketch.quantile(f64::from(percent) / 100.0).ok()??;
    Duration::try_from_secs_f64(ms / 1e3).ok()
}

impl std::fmt::Debug for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Times").field("count", &self.count()).finish_non_exhaustive()
    }
}
