//! The tokens of images, by what providers publish about them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::types::Part;

/// What an image is taken for whose size cannot be seen, because it is only linked to.
const UNSEEN: (f64, f64) = (1_024.0, 1_024.0);
/// The size stands near the beginning of a file, behind what cameras note.
const HEAD: usize = 256 * 1024;

/// What counts of an image.
#[derive(Debug)]
pub(super) struct Image {
    width: f64,
    height: f64,
    /// Whether it was asked to be looked at from afar.
    low: bool,
}

/// How a model counts images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// Tiles of 512 pixels after shrinking to 768 on the short side: a base, and so much for each (OpenAI).
    Tiles(u64, u64),
    /// Patches of 32 pixels, at most 1536, times a factor (OpenAI's small models).
    Patches(f64),
    /// Patches of 28 pixels, with the longest side and the most patches (Anthropic).
    Claude(f64, f64),
    /// Tiles, of 258 each, by the short side (Gemini until 2.5).
    Crops,
    /// The same for every image (Gemini 3, at its default resolution).
    Flat(u64),
    /// Tiles of 448 pixels, of 256 each, and one more (xAI).
    Grok,
}

/// The rule of a model, by how its id begins after the names of its maker and its place; the first that fits. Those who publish none are
/// taken to count like OpenAI's `gpt-4o`.
const RULES: [(&str, Rule); 20] = [
    ("gpt-4o-mini", Rule::Tiles(2_833, 5_667)),
    ("gpt-4.1-mini", Rule::Patches(1.62)),
    ("gpt-4.1-nano", Rule::Patches(2.46)),
    ("gpt-5-mini", Rule::Patches(1.62)),
    ("gpt-5-nano", Rule::Patches(2.46)),
    ("o4-mini", Rule::Patches(1.72)),
    ("gpt-5", Rule::Tiles(70, 140)),
    ("o1", Rule::Tiles(75, 150)),
    ("o3", Rule::Tiles(75, 150)),
    ("gemini-1", Rule::Crops),
    ("gemini-2", Rule::Crops),
    ("gemini", Rule::Flat(1_120)),
    ("claude-3", Rule::Claude(1_568.0, 1_568.0)),
    ("claude-opus-4-7", Rule::Claude(2_576.0, 4_784.0)),
    ("claude-opus-4-8", Rule::Claude(2_576.0, 4_784.0)),
    ("claude-opus-4", Rule::Claude(1_568.0, 1_568.0)),
    ("claude-sonnet-4", Rule::Claude(1_568.0, 1_568.0)),
    ("claude-haiku-4", Rule::Claude(1_568.0, 1_568.0)),
    ("claude", Rule::Claude(2_576.0, 4_784.0)),
    ("grok", Rule::Grok),
];

pub(super) fn rule(id: &str) -> Rule {
    let id = id.rsplit('/').next().unwrap_or(id);
    let id = id.find("claude").and_then(|at| id.get(at..)).unwrap_or(id);
    let found = RULES.iter().find(|(start, _)| id.starts_with(start));
    found.map_or(Rule::Tiles(85, 170), |(_, rule)| *rule)
}

impl Image {
    pub(super) fn of(part: &Part) -> Option<Self> {
        let Part::Image { url, detail } = part else {
            return None;
        };
        let (width, height) = url.strip_prefix("data:").and_then(seen).unwrap_or(UNSEEN);
        Some(Self { width, height, low: detail.as_deref() == Some("low") })
    }

    /// Shrunk by this factor, if it shrinks at all.
    fn shrunk(&self, factor: f64) -> (f64, f64) {
        (self.width * factor.min(1.0), self.height * factor.min(1.0))
    }
}

/// Width and height of the image that a `data:` URI holds.
fn seen(data: &str) -> Option<(f64, f64)> {
    let (_, data) = data.split_once(";base64,")?;
    let head = data.len().min(HEAD) / 4 * 4;
    let bytes = STANDARD.decode(data.get(..head)?).ok()?;
    let size = imagesize::blob_size(&bytes).ok()?;
    Some((size.width as f64, size.height as f64)).filter(|(width, height)| *width > 0.0 && *height > 0.0)
}

fn patches((width, height): (f64, f64), side: f64) -> f64 {
    (width / side).ceil() * (height / side).ceil()
}

impl Rule {
    pub(super) fn tokens(self, image: &Image) -> u64 {
        let (long, short) = (image.width.max(image.height), image.width.min(image.height));
        let area = image.width * image.height;
        let tokens = match self {
            Self::Tiles(base, _) if image.low => base as f64,
            Self::Tiles(base, tile) => {
                let fit = (2_048.0 / long).min(1.0);
                let size = image.shrunk(fit * (768.0 / (short * fit)).min(1.0));
                base as f64 + tile as f64 * patches(size, 512.0)
            }
            Self::Patches(factor) => {
                let most = 1_536.0;
                patches(image.shrunk((most * 32.0 * 32.0 / area).sqrt()), 32.0).min(most) * factor
            }
            Self::Claude(edge, most) => {
                let fit = (edge / long).min((most * 28.0 * 28.0 / area).sqrt());
                patches(image.shrunk(fit), 28.0).min(most)
            }
            Self::Crops if long <= 384.0 => 258.0,
            Self::Crops => 258.0 * patches((image.width, image.height), (short / 1.5).floor().clamp(256.0, 768.0)),
            Self::Flat(tokens) => tokens as f64,
            Self::Grok => 256.0 * (patches((image.width, image.height), 448.0).min(6.0) + 1.0),
        };
        tokens.ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(id: &str, width: u32, height: u32) -> u64 {
        rule(id).tokens(&Image { width: width.into(), height: height.into(), low: false })
    }

    /// The examples of the providers' own pages.
    #[test]
    fn published_examples_hold() {
        assert_eq!(tokens("gpt-4o", 1_024, 1_024), 765);
        assert_eq!(tokens("gpt-4o", 2_048, 4_096), 1_105);
        assert_eq!(tokens("gpt-4.1-mini", 1_024, 1_024), 1_659);
        assert_eq!(tokens("gpt-4o-mini", 512, 512), 8_500);
        assert_eq!(tokens("gemini-2.5-flash", 384, 384), 258);
        assert_eq!(tokens("gemini-2.5-flash", 960, 540), 6 * 258);
        assert_eq!(tokens("gemini-3-pro-preview", 4_000, 3_000), 1_120);
        assert_eq!(tokens("claude-sonnet-4-6", 1_092, 1_092), 39 * 39);
        assert_eq!(tokens("us.anthropic.claude-opus-4-7-v1:0", 2_576, 1_456), 4_784);
        assert_eq!(tokens("grok-4", 400, 400), 512);
    }

    #[test]
    fn large_images_are_shrunk_first() {
        assert!((1_400..=1_568).contains(&tokens("claude-sonnet-4-6", 4_000, 3_000)));
        assert!((2_300..=2_489).contains(&tokens("gpt-4.1-mini", 1_800, 2_400)));
        assert_eq!(Rule::Tiles(85, 170).tokens(&Image { width: 9_000.0, height: 9_000.0, low: true }), 85);
    }

    #[test]
    fn the_size_is_read_from_the_data_itself() {
        let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAHgCAYAAAA10dzkAAAAAElFTkSuQmCC";
        let image = |url: &str| {
            Image::of(&Part::Image { url: url.to_owned(), detail: None }).map(|image| (image.width, image.height))
        };
        assert_eq!(image(png), Some((640.0, 480.0)));
        assert_eq!(image("https://example.com/a.png"), Some(UNSEEN));
        assert_eq!(image("data:image/png;base64,nothing"), Some(UNSEEN));
    }
}
