//! The one stylesheet: fixed rules over custom properties, the realm's colour among them.
//!
//! Every colour is named here, so that the contrast of each pair that meets on a page is tested.

use std::fmt::Write;
use std::sync::OnceLock;

/// Red, green and blue.
type Rgb = [u8; 3];

const BLACK: Rgb = [0, 0, 0];
const WHITE: Rgb = [255, 255, 255];

/// The least contrast of text by WCAG 2.2, level AA.
const AA: f64 = 4.5;

const RULES: &str = include_str!("style.css");

/// The colours of one colour scheme.
struct Palette {
    page: Rgb,
    card: Rgb,
    /// A panel within the card.
    inset: Rgb,
    text: Rgb,
    muted: Rgb,
    /// Separates; carries no meaning.
    line: Rgb,
    /// The edge of a field, which must be seen (3:1).
    edge: Rgb,
    warning: Rgb,
    on_warning: Rgb,
    error: Rgb,
    on_error: Rgb,
}

const LIGHT: Palette = Palette {
    page: [0xf3, 0xf5, 0xf7],
    card: WHITE,
    inset: [0xf3, 0xf5, 0xf7],
    text: [0x1a, 0x1f, 0x25],
    muted: [0x51, 0x5b, 0x66],
    line: [0xd9, 0xde, 0xe4],
    edge: [0x77, 0x82, 0x8d],
    warning: [0xff, 0xf5, 0xdb],
    on_warning: [0x55, 0x38, 0x00],
    error: [0xfd, 0xee, 0xee],
    on_error: [0x96, 0x12, 0x18],
};

const DARK: Palette = Palette {
    page: [0x12, 0x15, 0x19],
    card: [0x1b, 0x1f, 0x25],
    inset: [0x25, 0x2a, 0x31],
    text: [0xe9, 0xec, 0xef],
    muted: [0xae, 0xb7, 0xc0],
    line: [0x38, 0x3f, 0x48],
    edge: [0x84, 0x8f, 0x9a],
    warning: [0x37, 0x2c, 0x12],
    on_warning: [0xff, 0xe2, 0xa3],
    error: [0x3d, 0x1d, 0x1e],
    on_error: [0xff, 0xbd, 0xb6],
};

/// `GET /style.css`, for the realm's colour.
pub fn style(color: [u8; 3]) -> String {
    let mut css = String::with_capacity(RULES.len() + 1024);
    css.push_str(":root{color-scheme:light dark;");
    declare(&mut css, "brand", color);
    declare(&mut css, "on-brand", readable_on(color));
    scheme(&mut css, &LIGHT, color);
    css.push_str("}@media (prefers-color-scheme:dark){:root{");
    scheme(&mut css, &DARK, color);
    css.push_str("}}\n");
    css.push_str(RULES);
    css
}

/// Address of the stylesheet. It changes with what is in it, so that a browser may keep what it
/// has for ever and still never shows a new page in an old style.
pub fn style_href(color: [u8; 3]) -> String {
    // Each page names it, and a realm has one colour: rendered and hashed once.
    static LAST: OnceLock<(Rgb, String)> = OnceLock::new();
    let href = || format!("/style.css?v={:016x}", fnv1a(style(color).as_bytes()));
    let (last, text) = LAST.get_or_init(|| (color, href()));
    if *last == color { text.clone() } else { href() }
}

fn scheme(css: &mut String, palette: &Palette, color: Rgb) {
    declare(css, "page", palette.page);
    declare(css, "card", palette.card);
    declare(css, "inset", palette.inset);
    declare(css, "text", palette.text);
    declare(css, "muted", palette.muted);
    declare(css, "line", palette.line);
    declare(css, "edge", palette.edge);
    declare(css, "warning", palette.warning);
    declare(css, "on-warning", palette.on_warning);
    declare(css, "error", palette.error);
    declare(css, "on-error", palette.on_error);
    declare(css, "accent", accent(color, palette));
}

fn declare(css: &mut String, name: &str, [red, green, blue]: Rgb) {
    // Writing to a string cannot fail.
    let _ = write!(css, "--{name}:#{red:02x}{green:02x}{blue:02x};");
}

/// Black or white, whichever is easier to read on `background`. The better of the two is never
/// below 4.58:1, the square root of black on white.
fn readable_on(background: Rgb) -> Rgb {
    if contrast(background, WHITE) >= contrast(background, BLACK) { WHITE } else { BLACK }
}

/// The realm's colour, moved towards the text's colour only as far as it takes to be readable on
/// everything that it can stand on: for links, focus rings and edges.
fn accent(color: Rgb, palette: &Palette) -> Rgb {
    let readable = |candidate: &Rgb| {
        [palette.page, palette.card, palette.inset, palette.warning, palette.error]
            .into_iter()
            .all(|background| contrast(*candidate, background) >= AA)
    };
    (0..=64).map(|step| mixed(color, palette.text, step)).find(readable).unwrap_or(palette.text)
}

/// `step` 64ths of the way from one colour to another.
fn mixed([r, g, b]: Rgb, [r2, g2, b2]: Rgb, step: u32) -> Rgb {
    let channel = |from: u8, to: u8| {
        let mix = (u32::from(from) * (64 - step) + u32::from(to) * step) / 64;
        u8::try_from(mix).unwrap_or(to)
    };
    [channel(r, r2), channel(g, g2), channel(b, b2)]
}

/// Contrast ratio by WCAG 2.2: 1 to 21.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Relative luminance by WCAG 2.2.
fn luminance([red, green, blue]: Rgb) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

/// FNV-1a, 64 bits: tells versions apart, and hides nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 4,913 colours, the corners of the cube among them.
    fn colors() -> impl Iterator<Item = Rgb> {
        let levels = || (0..=16u16).map(|level| u8::try_from((level * 16).min(255)).unwrap());
        levels().flat_map(move |r| levels().flat_map(move |g| levels().map(move |b| [r, g, b])))
    }

    #[test]
    fn contrast_agrees_with_known_values() {
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 0.001);
        assert!((contrast([0x77; 3], WHITE) - 4.478).abs() < 0.001);
        assert!((contrast([0xff, 0, 0], WHITE) - 3.998).abs() < 0.001);
    }

    #[test]
    fn text_is_readable_on_any_realm_color() {
        for color in colors() {
            assert!(contrast(color, readable_on(color)) >= AA, "{color:?}");
        }
    }

    #[test]
    fn the_accent_is_readable_in_both_schemes_for_any_realm_color() {
        for color in colors() {
            for palette in [&LIGHT, &DARK] {
                let accent = accent(color, palette);
                for background in [palette.page, palette.card, palette.inset, palette.warning, palette.error] {
                    assert!(contrast(accent, background) >= AA, "{color:?} on {background:?}");
                }
            }
        }
    }

    #[test]
    fn a_color_that_is_readable_stays_as_it_is() {
        assert_eq!(accent([0x1f, 0x5f, 0x8b], &LIGHT), [0x1f, 0x5f, 0x8b]);
        assert_eq!(accent([0x9f, 0xd0, 0xff], &DARK), [0x9f, 0xd0, 0xff]);
    }

    #[test]
    fn the_palettes_are_readable() {
        for p in [&LIGHT, &DARK] {
            for background in [p.page, p.card, p.inset] {
                assert!(contrast(p.text, background) >= 7.0);
                assert!(contrast(p.muted, background) >= AA);
                assert!(contrast(p.edge, background) >= 3.0, "{:?}", contrast(p.edge, background));
            }
            assert!(contrast(p.on_warning, p.warning) >= 7.0);
            assert!(contrast(p.on_error, p.error) >= 7.0);
        }
    }

    #[test]
    fn the_stylesheet_holds_the_color_and_loads_nothing() {
        let css = style([0x1f, 0x5f, 0x8b]);
        assert!(css.contains("--brand:#1f5f8b;--on-brand:#ffffff;"));
        assert!(!css.contains("url(") && !css.contains("@import") && !css.contains("http"));
    }

    #[test]
    fn every_custom_property_in_use_is_declared() {
        let css = style(BLACK);
        for used in css.split("var(").skip(1) {
            let name = used.split(')').next().unwrap();
            assert!(css.contains(&format!("{name}:")), "{name}");
        }
    }

    #[test]
    fn the_address_changes_with_the_color() {
        assert_ne!(style_href(BLACK), style_href(WHITE));
        assert_eq!(style_href(BLACK), style_href(BLACK));
    }
}
