//! What tokens cost.

use super::completion::Usage;

/// USD for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of the answer, reasoning included.
    pub output: f64,
    /// Of the prompt, read from a cache; as `input` where not set.
    pub cached_input: Option<f64>,
    /// Of the prompt, written to a cache; as `input` where not set.
    pub cache_write: Option<f64>,
    /// What counts instead where the prompt is long.
    pub tier: Option<Tier>,
}

/// USD for a million tokens where the prompt has more than a number of tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tier {
    /// Tokens of the prompt, those of a cache included, above which it counts, for all tokens of the call.
    pub above: u64,
    /// Of the prompt.
    pub input: f64,
    /// Of the answer, reasoning included.
    pub output: f64,
    /// Of the prompt, read from a cache; as `input` where not set.
    pub cached_input: Option<f64>,
    /// Of the prompt, written to a cache; as `input` where not set.
    pub cache_write: Option<f64>,
}

impl Price {
    /// The same with a part of it off, such as 0.15.
    #[must_use]
    pub fn less(self, discount: f64) -> Self {
        let pay = |price: f64| price * (1.0 - discount);
        Self {
            input: pay(self.input),
            output: pay(self.output),
            cached_input: self.cached_input.map(pay),
            cache_write: self.cache_write.map(pay),
            tier: self.tier.map(|tier| Tier {
                above: tier.above,
                input: pay(tier.input),
                output: pay(tier.output),
                cached_input: tier.cached_input.map(pay),
                cache_write: tier.cache_write.map(pay),
            }),
        }
    }

    /// USD for these tokens.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> f64 {
        let Self { mut input, mut output, mut cached_input, mut cache_write, .. } = *self;
        if let Some(tier) = self.tier.filter(|tier| usage.input > tier.above) {
            (input, output, cached_input, cache_write) = (tier.input, tier.output, tier.cached_input, tier.cache_write);
        }
        let fresh = usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
        let tokens = [
            (fresh, input),
            (usage.cached_input, cached_input.unwrap_or(input)),
            (usage.cache_write, cache_write.unwrap_or(input)),
            (usage.output, output),
        ];
        tokens.iter().map(|(tokens, price)| *tokens as f64 * price).sum::<f64>() / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_counted_once() {
        let usage = Usage { input: 1_000, cached_input: 300, cache_write: 200, output: 400, reasoning: 100 };
        let price = Price { input: 2.0, output: 10.0, cached_input: Some(0.5), cache_write: Some(3.0), tier: None };
        assert!((price.of(&usage) - (500.0 * 2.0 + 300.0 * 0.5 + 200.0 * 3.0 + 400.0 * 10.0) / 1e6).abs() < 1e-12);
        let plain = Price { cached_input: None, cache_write: None, ..price };
        let tier = Tier { above: 999, input: 4.0, output: 20.0, cached_input: Some(1.0), cache_write: None };
        let long = Price { tier: Some(tier), ..price };
        assert!((long.of(&usage) - (500.0 * 4.0 + 300.0 * 1.0 + 200.0 * 4.0 + 400.0 * 20.0) / 1e6).abs() < 1e-12);
        let short = Price { tier: Some(Tier { above: 1_000, ..tier }), ..price };
        assert_eq!(short.of(&usage), price.of(&usage));
        let bought = Usage { input: 1_000, ..usage };
        assert!((long.less(0.25).of(&bought) - 0.75 * long.of(&bought)).abs() < 1e-12);
        assert!((short.less(0.25).of(&bought) - 0.75 * short.of(&bought)).abs() < 1e-12);
        assert!((plain.of(&usage) - (1_000.0 * 2.0 + 400.0 * 10.0) / 1e6).abs() < 1e-12);
    }
}
