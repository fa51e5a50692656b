// Builds the site of docs/ with mdBook into target/docs. README and changelog, which stand outside of the book's source, become pages of it.
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "target/docs-source");
const site = join(root, "target/docs");

const version = spawnSync("mdbook", ["--version"], { encoding: "utf8" });
if (version.error) {
  console.error("latchkey: mdBook is not installed. `cargo install mdbook` brings it; the pages can be read in docs/ without it.");
  process.exit(1);
}

rmSync(source, { recursive: true, force: true });
cpSync(join(root, "docs"), source, { recursive: true });
// Links of the README lead into docs/, and those of the pages out of it.
writeFileSync(join(source, "manual.md"), readFileSync(join(root, "README.md"), "utf8").replaceAll("](docs/", "](").replaceAll("](CHANGELOG.md)", "](changelog.md)"));
cpSync(join(root, "CHANGELOG.md"), join(source, "changelog.md"));
const pages = (folder) => readdirSync(folder).flatMap((name) => {
  const path = join(folder, name);
  return statSync(path).isDirectory() ? pages(path) : path.endsWith(".md") ? [path] : [];
});
for (const path of pages(source)) {
  const up = relative(join(path, ".."), source) || ".";
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(/\]\((?:\.\.\/)+README\.md/g, `](${up}/manual.md`));
}
const summary = join(source, "SUMMARY.md");
writeFileSync(summary, `${readFileSync(summary, "utf8")}\n# Reference\n\n- [README](manual.md)\n- [Changelog](changelog.md)\n`);

rmSync(site, { recursive: true, force: true });
const built = spawnSync("mdbook", ["build", source, "--dest-dir", site], { stdio: "inherit" });
if (built.status !== 0) process.exit(1);
console.log(join(site, "index.html"));
