/**
 * `npm run measure:web [rounds]`: what a fan on a slow phone waits for. Starts a marketplace in a folder of its own on
 * free ports and opens the match list, and a match, in a phone-sized browser without anything cached, throttled as
 * Lighthouse does for mobile (150 ms round trip, 1.6 Mbit/s down, 750 kbit/s up, processor 4 times slower). Prints
 * when the largest content stood there (LCP), the first content (FCP), and how much script the first load took, as
 * it came over the wire and as Brotli would be.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { ensureBuilt, ensureInstalled, fail, Failure, inRoot } from './lib.mjs';

const ROUNDS = Number(process.argv[2] ?? 5);
const START_MS_MAX = 60_000;
const PAGE_MS_MAX = 30_000;
/** After the load, for content that is painted later. */
const SETTLE_MS = 1_500;
const ROLES = ['SHOP', 'CONSUMER', 'RESERVATIONS', 'USER', 'PAYMENTS', 'SECURITY', 'WORKER'];
const NETWORK = {
  offline: false,
  latency: 150,
  downloadThroughput: (1.6 * 1024 * 1024) / 8,
  uploadThroughput: (750 * 1024) / 8,
};
const CPU_SLOWDOWN = 4;
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const PAGES = ['/', '/ar', '/matches/1'];

async function main() {
  const { findChromium } = await import('./services/chromium.mjs');
  const chromium = await findChromium({ install: true, log: console.log });
  if (chromium.kind === 'none') throw new Failure(`There is no browser to measure with: ${chromium.reason}`);
  const { chromium: launcher } = await import('playwright-core');
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const args = ['--disable-gpu', '--disable-background-networking', '--disable-component-update', ...sandbox];
  const browser = await launcher.launch({ executablePath: chromium.path, args });
  const shop = await start();
  try {
    console.log(
      `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, Chromium ${chromium.version}, ` +
        `load ${loadavg()[0].toFixed(2)}; ${ROUNDS} rounds, server and browser on the same machine`,
    );
    console.log('page          FCP, median (max)     LCP, median (max)     script: wire   as Brotli   files');
    for (const path of PAGES) {
      const loads = [];
      // The first load of a page makes it; those who come later find it made.
      await load(browser, `${shop.url}${path}`);
      for (let round = 0; round < ROUNDS; round += 1) loads.push(await load(browser, `${shop.url}${path}`));
      const { scripts } = loads[0];
      const wire = scripts.reduce((sum, { bytes }) => sum + bytes, 0);
      const brotli = scripts.reduce((sum, { file }) => sum + brotliBytes(file), 0);
      console.log(
        [
          path.padEnd(12),
          times(loads.map(({ fcp }) => fcp)),
          times(loads.map(({ lcp }) => lcp)),
          `${kB(wire)}  ${kB(brotli)}`,
          String(scripts.length).padStart(6),
        ].join('  '),
      );
    }
  } finally {
    await browser.close();
    await shop.stop();
  }
}

/** One load without anything cached. */
async function load(browser, url) {
  const context = await browser.newContext(PHONE);
  try {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send('Network.enable');
    await devtools.send('Network.emulateNetworkConditions', NETWORK);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: CPU_SLOWDOWN });
    await page.goto(url, { waitUntil: 'load', timeout: PAGE_MS_MAX });
    await page.waitForTimeout(SETTLE_MS);
    return await page.evaluate(measured);
  } finally {
    await context.close();
  }
}

/** Runs in the page. */
async function measured() {
  /* global PerformanceObserver, location */
  const entriesOf = (type) =>
    new Promise((resolve) => {
      new PerformanceObserver((list, observer) => {
        observer.disconnect();
        resolve(list.getEntries());
      }).observe({ type, buffered: true });
    });
  const paints = await entriesOf('largest-contentful-paint');
  const scripts = performance
    .getEntriesByType('resource')
    .filter(({ name }) => new URL(name).origin === location.origin && new URL(name).pathname.endsWith('.js'));
  return {
    lcp: paints.at(-1).startTime,
    fcp: performance.getEntriesByName('first-contentful-paint')[0].startTime,
    scripts: scripts.map(({ name, encodedBodySize }) => ({
      file: new URL(name).pathname,
      bytes: encodedBodySize,
    })),
  };
}

const brotliBytes = (path) => brotliCompressSync(readFileSync(inRoot('dist', 'web', 'client', path))).length;
const kB = (bytes) => `${(bytes / 1_000).toFixed(1)} kB`.padStart(9);
const seconds = (ms) => `${(ms / 1_000).toFixed(2)} s`;

function times(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return `${seconds(sorted[Math.floor(sorted.length / 2)])} (${seconds(sorted.at(-1))})`.padEnd(20);
}

async function start() {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-web-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const ports = Object.fromEntries(ROLES.map((role) => [`${role}_PORT`, '0']));
  const child = spawn(process.execPath, [inRoot('dist', 'src', 'run.js')], {
    env: {
      PATH: process.env.PATH,
      ...ports,
      CLIENT_PORT: String(port),
      PUBLIC_URL: url,
      DATA_DIR: dir,
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Failure('The marketplace did not start in time.')), START_MS_MAX).unref();
    child.once('exit', (code) => reject(new Failure(`The marketplace ended with ${code}.`)));
    child.stdout.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('ticktak is open')) resolve();
    });
  });
  child.removeAllListeners('exit');
  return {
    url,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

try {
  await ensureInstalled();
  await ensureBuilt();
  await main();
} catch (error) {
  fail(error);
}
