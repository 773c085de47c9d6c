/** `npm run build`: compiles to dist/, copies what is not TypeScript beside it and removes what has no source. */
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { inRoot, runBin, stampBuild } from './lib.mjs';

const ASSETS = new Set(['.lua', '.json', '.css', '.html', '.svg']);

const startedAt = Date.now();
rmSync(inRoot('dist', '.built'), { force: true });
// Without its output the compiler's memory of it would leave files out.
if (!existsSync(inRoot('dist', 'src'))) rmSync(inRoot('dist', '.tsbuildinfo'), { force: true });
const { code, output } = await runBin('tsc', ['-p', 'tsconfig.build.json']);
if (code !== 0) {
  console.error(output.trim());
  process.exit(1);
}
for (const file of filesIn(inRoot('src'))) {
  if (ASSETS.has(extname(file))) cpSync(file, inRoot('dist', relative(inRoot(), file)));
}
for (const folder of ['src', 'config']) {
  for (const file of filesIn(inRoot('dist', folder))) if (!hasSource(file)) rmSync(file);
}
stampBuild(startedAt);

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function hasSource(file) {
  const source = join(inRoot(), relative(inRoot('dist'), file));
  return existsSync(source) || existsSync(source.replace(/\.js(\.map)?$/, '.ts'));
}
