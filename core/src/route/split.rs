//! Which of several primaries does a call: a share of them each, and the same one for the same key.
//!
//! The choice is a pure function of task, key and weights, so it is the same in every process, version and language. The
//! task's name is part of it: who is in the small share of one task need not be in that of all others.

use crate::config::Task;
use crate::types::{Options, Sticky};

/// The index of the primary that does this call. `draw` decides where the call names nothing that does.
pub(super) fn chosen(task: &Task, options: &Options, draw: u64) -> usize {
    let customer = options.customer.as_deref().filter(|_| task.sticky == Some(Sticky::Customer));
    let key = customer.or(options.idempotency_key.as_deref());
    pick(&task.weights, key.map_or(draw, |key| hash(&task.name, key)))
}

/// The index whose share of the whole range of `point` holds it; the first where there are no weights.
fn pick(weights: &[u32], point: u64) -> usize {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let point = (u128::from(point) * total) >> u64::BITS;
    let mut end = 0;
    let holds = |weight: &u32| {
        end += u128::from(*weight);
        point < end
    };
    weights.iter().position(holds).unwrap_or(0)
}

/// FNV-1a over task and key, the 64-bit one, and an avalanche over its result, since [`pick`] looks at the upper bits,
/// which FNV mixes least. The constants are those of FNV and of SplitMix64.
fn hash(task: &str, key: &str) -> u64 {
    // A byte that no text holds, so that the border between the two counts.
    let bytes = task.bytes().chain([0xff]).chain(key.bytes());
    let fnv = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    /// Another value here would give every customer another model at the next release.
    #[test]
    fn the_hash_stays_as_it_is() {
        for (task, key, value) in [
            ("", "", 0x4f2d_b50f_1240_40cd),
            ("support_chat", "acme", 0x5879_11b8_9369_233b),
            ("support_chat", "acme2", 0x5fd2_d8de_8bfa_2327),
            ("support_chata", "cme", 0xb26e_84df_9b6a_9fd5),
            ("support_chat", "Bäckerei 東京", 0x7e38_e25c_7fec_ec22),
        ] {
            assert_eq!(hash(task, key), value, "{task} {key}");
        }
    }

    #[test]
    fn the_shares_are_the_weights() {
        for weights in [[95, 5, 0], [1, 1, 1], [1, 0, 999_999], [700_000, 200_000, 100_000]] {
            let total: u32 = weights.iter().sum();
            let mut counts = [0_u32; 3];
            for i in 0..10_000 {
                counts[pick(&weights, hash("task", &format!("customer-{i}")))] += 1;
            }
            for (weight, count) in weights.iter().zip(counts) {
                let (expected, found) = (f64::from(*weight) / f64::from(total), f64::from(count) / 10_000.0);
                assert!((expected - found).abs() < 0.012, "{weights:?}: {counts:?}");
                assert!(*weight > 0 || count == 0);
            }
        }
    }

    #[test]
    fn the_whole_range_is_shared_out() {
        assert_eq!([0, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX].map(|point| pick(&[1, 1], point)), [0, 0, 1, 1]);
        assert_eq!([0, u64::MAX].map(|point| pick(&[0, 3, 0], point)), [1, 1]);
        assert_eq!(pick(&[u32::MAX; 3], u64::MAX), 2);
        assert_eq!(pick(&[], 7), 0);
    }
}
