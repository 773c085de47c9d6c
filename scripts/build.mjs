/**
 * `npm run build`: compiles to dist/, copies what is not TypeScript beside it and removes what has no source; then
 * the web app to dist/web: what browsers load, what makes pages on the server, and the compressed forms of files.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { inRoot, runBin, stampBuild } from './lib.mjs';

const COMPRESSED = new Set([
  '.css',
  '.html',
  '.js',
  '.json',
  '.map',
  '.svg',
  '.txt',
  '.wasm',
  '.webmanifest',
  '.xml',
]);
const COMPRESSED_BYTES_MIN = 1_000;
const ASSETS = new Set(['.lua', '.json', '.css', '.html', '.svg']);

const startedAt = Date.now();
rmSync(inRoot('dist', '.built'), { force: true });
// Without its output the compiler's memory of it would leave files out.
if (!existsSync(inRoot('dist', 'src'))) rmSync(inRoot('dist', '.tsbuildinfo'), { force: true });
await orExit(runBin('tsc', ['-p', 'tsconfig.build.json']));
for (const file of filesIn(inRoot('src'))) {
  if (ASSETS.has(extname(file))) cpSync(file, inRoot('dist', relative(inRoot(), file)));
}
for (const folder of ['src', 'config']) {
  for (const file of filesIn(inRoot('dist', folder))) if (!hasSource(file)) rmSync(file);
}
if (existsSync(inRoot('web'))) await buildWeb();
stampBuild(startedAt);

async function orExit(running) {
  const { code, output } = await running;
  if (code === 0) return;
  console.error(output.trim());
  process.exit(1);
}

/** The server's part is given the names of the client's files, so it comes second. */
async function buildWeb() {
  await orExit(runBin('vite', ['build', 'web']));
  await orExit(runBin('vite', ['build', 'web', '--ssr']));
  for (const file of filesIn(inRoot('dist', 'web', 'client'))) compress(file);
}

/** Once and with all effort, so that no request waits for it. Smaller files gain nothing. */
function compress(file) {
  const bytes = readFileSync(file);
  if (!COMPRESSED.has(extname(file)) || bytes.length < COMPRESSED_BYTES_MIN) return;
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function hasSource(file) {
  const source = join(inRoot(), relative(inRoot('dist'), file));
  return existsSync(source) || existsSync(source.replace(/\.js(\.map)?$/, '.ts'));
}
