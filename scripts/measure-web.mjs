/**
 * `npm run measure:web [rounds]`: what a fan on a slow phone waits for. Starts a marketplace in a folder of its own on
 * free ports and opens the match list, and a match, in a phone-sized browser without anything cached, throttled as
 * Lighthouse does for mobile (150 ms round trip, 1.6 Mbit/s down, 750 kbit/s up, processor 4 times slower). Prints
 * when the largest content stood there (LCP), the first content (FCP), and how much script the first load took, as
 * it came over the wire and as Brotli would be.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { ensureBuilt, ensureInstalled, fail, inRoot } from './lib.mjs';
import { launchBrowser, machine, startMarketplace, waits } from './measuring.mjs';

const ROUNDS = Number(process.argv[2] ?? 5);
const PAGE_MS_MAX = 30_000;
/** After the load, for content that is painted later. */
const SETTLE_MS = 1_500;
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
  const { browser, version } = await launchBrowser();
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-web-'));
  const shop = await startMarketplace({ dir });
  try {
    console.log(
      `${machine()}, Chromium ${version}; ${ROUNDS} rounds, server and browser on the same machine`,
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
          waits(loads.map(({ fcp }) => fcp)),
          waits(loads.map(({ lcp }) => lcp)),
          `${kB(wire)}  ${kB(brotli)}`,
          String(scripts.length).padStart(6),
        ].join('  '),
      );
    }
  } finally {
    await browser.close();
    await shop.stop();
    rmSync(dir, { recursive: true, force: true });
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

try {
  await ensureInstalled();
  await ensureBuilt();
  await main();
} catch (error) {
  fail(error);
}
