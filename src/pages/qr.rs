//! QR codes, for devices that can show an image.

use std::fmt::Write;

use askama::Template;
use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of white around the code: scanners need four.
const QUIET_ZONE: i32 = 4;

#[derive(Template)]
#[template(path = "qr.svg")]
struct View<'a> {
    text: &'a str,
    size: i32,
    pixels: i32,
    path: String,
}

/// `text` as a standalone SVG image, black on white in any colour scheme. Its accessible name is
/// `text` itself, which is the same in every language. `None` if `text` is too long for a QR code.
pub fn qr_svg(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let size = code.size() + 2 * QUIET_ZONE;
    View { text, size, pixels: size * 8, path: path(&code) }.render().ok()
}

/// One rectangle for each horizontal run of dark modules.
fn path(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|&x| code.get_module(x, y)).count();
            let run = i32::try_from(run).unwrap_or(0);
            if run > 0 {
                // Writing to a string cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE);
            }
            x += run + 1;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paints the path into a grid, as a renderer would.
    fn painted(svg: &str, size: usize) -> Vec<Vec<bool>> {
        // The first path is the white ground.
        let path = svg.rsplit(" d=\"").next().unwrap().split('"').next().unwrap();
        let mut grid = vec![vec![false; size]; size];
        for run in path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let length: usize = rest.split('v').next().unwrap().parse().unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            for cell in &mut grid[y][x..x + length] {
                assert!(!*cell, "painted twice");
                *cell = true;
            }
        }
        grid
    }

    #[test]
    fn the_picture_is_the_code_within_its_quiet_zone() {
        let text = "https://id.example/device?user_code=BCDF-GHJK";
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let size = usize::try_from(code.size() + 8).unwrap();
        let grid = painted(&qr_svg(text).unwrap(), size);
        for (y, row) in grid.iter().enumerate() {
            for (x, &dark) in row.iter().enumerate() {
                let (x, y) = (i32::try_from(x).unwrap() - 4, i32::try_from(y).unwrap() - 4);
                assert_eq!(dark, code.get_module(x, y), "{x} {y}");
            }
        }
    }

    #[test]
    fn the_name_is_escaped() {
        let svg = qr_svg("https://id.example/?a=1&b=\"<script>").unwrap();
        assert!(!svg.contains("<script>") && !svg.contains("&b"));
        assert!(svg.contains("<title>https://id.example/?a=1&#38;b=&#34;&#60;script&#62;</title>"));
    }

    #[test]
    fn too_long_is_none() {
        assert!(qr_svg(&"x".repeat(3000)).is_none());
    }
}
