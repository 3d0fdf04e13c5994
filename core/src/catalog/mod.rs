//! What is known of models: prices, windows, what they can do. One compact table, built in (`models.tsv`, written by
//! `generate.py`); what the configuration says of a model wins over it, field by field.
//!
//! A cell that is empty is unknown, and unknown is never 0 and never "no". Prices are estimates: published tables differ, and
//! providers change them.

use std::sync::OnceLock;

use crate::types::{Feature, Price, Tier, time};

/// The table: a line for its sources and their date, then a model a line, sorted by kind and id. The cells: kind, id, window,
/// largest prompt, longest answer, the four prices in USD for a million tokens, the same above a size of the prompt, flags,
/// and when the model ends.
const TABLE: &str = include_str!("models.tsv");

/// What the ids of Bedrock's models begin with where a region is named
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html>).
const REGIONS: [&str; 9] = ["us.", "eu.", "apac.", "au.", "jp.", "ca.", "sa.", "us-gov.", "global."];

/// What the ids of OpenAI's fine-tuned models begin with.
const TUNED: &str = "ft:";

/// What is known of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// The most tokens of a prompt.
    pub window: Option<u64>,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
    /// What its tokens cost.
    pub price: Option<Price>,
    /// Whether it thinks before it speaks.
    pub reasoning: Option<bool>,
    /// Whether it is only asked by OpenAI Responses.
    pub responses_only: bool,
    /// `deprecated`, or the day on which it is switched off.
    pub until: Option<&'static str>,
    flags: &'static str,
}

impl Facts {
    /// Whether the model can do this; nothing where that is unknown.
    #[must_use]
    pub fn can(&self, feature: Feature) -> Option<bool> {
        flag(
            self.flags,
            match feature {
                Feature::Tools => 't',
                Feature::Vision => 'v',
                Feature::JsonSchema => 'j',
                Feature::Temperature => 'p',
            },
        )
    }
}

fn flag(flags: &str, letter: char) -> Option<bool> {
    let known = flags.chars().find(|flag| flag.eq_ignore_ascii_case(&letter))?;
    Some(known == letter)
}

/// Where the table comes from, and the date of its data.
#[must_use]
pub fn source() -> &'static str {
    TABLE.lines().next().unwrap_or_default().trim_start_matches("# ")
}

/// The day of the table's data, as `2026-01-02`.
#[must_use]
pub fn date() -> &'static str {
    source().split([' ', ',']).find(|word| time::day(word).is_some()).unwrap_or("unknown")
}

/// What is known of the model `id` of a provider of this `kind`.
///
/// A dated name, `-latest`, or a region in front of the name fall to the model they mean.
#[must_use]
pub fn find(kind: &str, id: &str) -> Option<Facts> {
    if let Some(facts) = exact(kind, id) {
        return Some(facts);
    }
    let name = id.rsplit('/').next().filter(|_| matches!(kind, "bedrock" | "gemini" | "vertex")).unwrap_or(id);
    let name = match kind {
        "bedrock" => REGIONS.iter().find_map(|region| name.strip_prefix(region)).unwrap_or(name),
        _ => name,
    };
    if let Some(facts) = exact(kind, name) {
        return Some(facts);
    }
    if let ("openrouter", Some((name, _))) = (kind, name.rsplit_once(':')) {
        // Another way of serving it, at another price.
        return exact(kind, name).map(|facts| Facts { price: None, ..facts });
    }
    if let ("openai", Some(tuned)) = (kind, name.strip_prefix(TUNED)) {
        // `ft:MODEL:ORGANIZATION:NAME:ID`, listed by the model it was made of.
        let (model, _) = tuned.split_once(':')?;
        return exact(kind, name.get(..TUNED.len() + model.len())?);
    }
    exact(kind, undated(name)?)
}

/// The name without a date or `-latest` at its end.
fn undated(name: &str) -> Option<&str> {
    if let Some(name) = name.strip_suffix("-latest") {
        return Some(name);
    }
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, last) = name.rsplit_once(['-', '@'])?;
    if digits(last, 8) {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(rest)
}

fn exact(kind: &str, id: &str) -> Option<Facts> {
    static LINES: OnceLock<Vec<&'static str>> = OnceLock::new();
    let lines = LINES.get_or_init(|| TABLE.lines().filter(|line| !line.starts_with('#')).collect());
    let key = |line: &'static str| {
        let mut cells = line.split('\t');
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    };
    let at = lines.binary_search_by(|line| key(line).cmp(&(kind, id))).ok()?;
    lines.get(at).map(|line| read(line))
}

fn read(line: &'static str) -> Facts {
    let mut cells = line.split('\t').skip(2);
    let mut next = || cells.next().unwrap_or_default();
    let (context, prompt, output) = (next().parse().ok(), next().parse().ok(), next().parse().ok());
    let prices = [next(), next(), next(), next()];
    let above = next();
    let flags = next();
    let until = next();
    let tier = above.split_once(':').and_then(|(size, prices)| {
        let mut prices = prices.split(':');
        let mut next = || prices.next().and_then(|price| price.parse().ok());
        let (input, output, cached_input, cache_write) = (next(), next(), next(), next());
        Some(Tier { above: size.parse().ok()?, input: input?, output: output?, cached_input, cache_write })
    });
    let [input, output_price, cached_input, cache_write] = prices.map(|price| price.parse().ok());
    let price = input.zip(output_price);
    Facts {
        window: prompt.or(context),
        max_output: output,
        price: price.map(|(input, output)| Price { input, output, cached_input, cache_write, tier }),
        reasoning: flag(flags, 'r'),
        responses_only: flags.contains('o'),
        until: Some(until).filter(|until| !until.is_empty()),
        flags,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_line_is_read_and_found() {
        let lines: Vec<_> = TABLE.lines().skip(1).collect();
        assert!(lines.len() > 1_000);
        for line in lines {
            let cells: Vec<_> = line.split('\t').collect();
            let [kind, id, context, prompt, output, input, price, ..] = cells.as_slice() else { panic!("{line}") };
            assert_eq!(cells.len(), 12, "{line}");
            let facts = find(kind, id).unwrap_or_else(|| panic!("{line}"));
            let said = |cell: &str| (!cell.is_empty()).then(|| cell.parse::<f64>().unwrap());
            let window = said(prompt).or(said(context));
            assert_eq!(
                (facts.window.map(|it| it as f64), facts.max_output.map(|it| it as f64)),
                (window, said(output))
            );
            assert_eq!(facts.price.map(|it| it.input), said(input).filter(|_| !price.is_empty()), "{line}");
        }
        assert!(source().contains("models.dev"));
    }

    #[test]
    fn names_that_mean_a_known_model() {
        for (kind, id, known) in [
            ("openai", "gpt-4.1-2025-04-14", "gpt-4.1"),
            ("anthropic", "claude-sonnet-4-5-20991231", "claude-sonnet-4-5"),
            ("anthropic", "claude-opus-5@20991231", "claude-opus-5"),
            ("gemini", "models/gemini-2.5-pro", "gemini-2.5-pro"),
            ("openai", "ft:gpt-4o-2024-08-06:acme:mail:8Xy2", "ft:gpt-4o-2024-08-06"),
            ("bedrock", "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        ] {
            let (found, known) = (find(kind, id).unwrap(), find(kind, known).unwrap());
            assert_eq!((found.window, found.price), (known.window, known.price), "{id}");
        }
        for (kind, id) in [
            ("openai", "ft:gpt-9:acme::1"),
            ("openai", "gpt-4.1-tuned"),
            ("openai", ""),
            ("nobody", "gpt-4.1"),
            ("azure", "my-deployment"),
        ] {
            assert_eq!(find(kind, id), None, "{id}");
        }
        assert_eq!(find("openrouter", "openai/gpt-4.1:nitro").unwrap().price, None);
    }

    #[test]
    fn what_the_table_says() {
        let facts = find("gemini", "gemini-2.5-pro").unwrap();
        let price = facts.price.unwrap();
        assert_eq!((price.input, price.cached_input, price.cache_write), (1.25, Some(0.125), None));
        assert_eq!(price.tier.map(|tier| (tier.above, tier.input)), Some((200_000, 2.5)));
        assert_eq!((facts.can(Feature::Tools), facts.can(Feature::JsonSchema)), (Some(true), Some(true)));
        let opus = find("anthropic", "claude-opus-5-5").unwrap();
        assert_eq!(opus.can(Feature::Temperature), Some(false));
    }

    #[test]
    fn a_dated_name_can_do_what_the_plain_one_can() {
        for id in ["gpt-5-2025-08-07", "gpt-5-mini-2025-08-07", "gpt-5.1-2025-11-13"] {
            assert_eq!(find("openai", id).unwrap().can(Feature::Temperature), Some(false), "{id}");
        }
    }

    #[test]
    fn nothing_unknown_stands_as_zero() {
        for line in TABLE.lines().skip(1) {
            assert!(!line.split('\t').skip(2).take(3).any(|limit| limit == "0"), "{line}");
        }
        assert_eq!(find("openrouter", "google/lyria-3-pro-preview").unwrap().price, None);
        assert_eq!(find("openrouter", "openai/gpt-oss-20b:free").unwrap().price.map(|price| price.input), Some(0.0));
    }
}
