//! How the tokens that a provider counts compare with those that were estimated.

/// As much as the first prompts must say to be believed by half, in tokens.
const DOUBT: f64 = 500.0;
/// How much of what was known stays with each further prompt.
const MEMORY: f64 = 0.9;
/// Scripts and tokenizers differ by no more. What is beyond is not about the text: a provider that cuts long prompts, or adds
/// pages of its own.
const BOUNDS: (f64, f64) = (0.5, 3.0);

/// Sums over the last prompts, older ones counting less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tokens {
    estimated: f64,
    counted: f64,
}

impl Tokens {
    pub(super) fn add(&mut self, estimated: u64, counted: u64) {
        let (estimated, counted) = (estimated as f64, counted as f64);
        if estimated > 0.0 && counted > 0.0 {
            let (least, most) = BOUNDS;
            self.estimated = self.estimated * MEMORY + estimated;
            self.counted = self.counted * MEMORY + counted.clamp(estimated * least, estimated * most);
        }
    }

    /// 1 before anything is known.
    pub(super) fn ratio(&self) -> f64 {
        (self.counted + DOUBT) / (self.estimated + DOUBT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prompts_teach_soon_and_short_ones_slowly() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.ratio(), 1.0);
        tokens.add(10, 20);
        assert!(tokens.ratio() < 1.05);
        tokens.add(50_000, 65_000);
        assert!((1.28..1.31).contains(&tokens.ratio()));
        (0..40).for_each(|_| tokens.add(50_000, 40_000));
        assert!((0.79..0.82).contains(&tokens.ratio()), "what is long ago is forgotten");
    }

    #[test]
    fn nonsense_teaches_little() {
        let mut tokens = Tokens::default();
        tokens.add(50_000, 0);
        assert_eq!(tokens.ratio(), 1.0);
        tokens.add(50_000, 1);
        assert!(tokens.ratio() >= 0.5);
        (0..40).for_each(|_| tokens.add(1_000, 900_000));
        assert!(tokens.ratio() <= 3.0);
    }
}
