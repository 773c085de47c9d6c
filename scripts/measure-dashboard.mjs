/**
 * How long an operator waits for the first useful content of the dashboard: the totals of sales, as numbers, in a real
 * browser on a whole marketplace that stands on long ledgers. `npm run measure:operations` does it on the ledgers it
 * made; `node scripts/measure-dashboard.mjs DIR` on those of `DIR/archive` (scripts/seed-ledgers.mjs), DIR being the
 * folder of a marketplace that does not run, with the e-mail address and password of its operator if it has one.
 *
 * A load is a tab of its own in the browser of somebody who is logged in, from the navigation to the frame that shows
 * the totals. Cold: nothing of the app is in the browser's cache, and that is looked at; warm: what an earlier load
 * left there. The very first load after the start, with nothing in the server's memory either, is told apart.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensureBuilt, ensureInstalled, fail, Failure } from './lib.mjs';
import { launchBrowser, machine, medianOf, startMarketplace, waits } from './measuring.mjs';

/** Of each kind. */
const LOADS = 10;
/** Its Redis is empty at first, and every ticket rebuilt from its ledger. */
const START_MS_MAX = 10 * 60_000;
const SETTLE_MS_MAX = 30 * 60_000;
/** Processor time between two looks of a process that has nothing left to do, and how many such looks. */
const QUIET_SECONDS_MAX = 0.3;
const QUIET_LOOKS = 3;
const PAGE_MS_MAX = 30_000;
/** A person's browser: one that says it has no head is asked for a proof of work before it is logged in again. */
const userAgent = (version) =>
  `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version} Safari/537.36`;
const DESKTOP = { viewport: { width: 1280, height: 900 }, locale: 'en-GB' };
const PAGES = ['/operator', '/operator?range=90&by=match'];

/** `known`: the operator of a folder that has one already. */
export async function measureDashboard({ dir, known }) {
  const { browser, version } = await launchBrowser();
  let shop;
  try {
    shop = await startMarketplace({ dir, startMsMax: START_MS_MAX });
    const operator = known ?? firstOperator(shop.output());
    await settled(shop, operator);
    // As after a restart: the first question finds nothing of the figures in memory.
    await shop.stop();
    shop = await startMarketplace({ dir, startMsMax: START_MS_MAX });
    const { totals } = await settled(shop, operator);
    console.log(`${machine()}, Chromium ${version}; server and browser on the same machine`);
    console.log(
      `the dashboard: ${totals.sold} tickets sold in the last 30 days; ${LOADS} loads of each kind`,
    );
    const context = await browser.newContext({ ...DESKTOP, userAgent: userAgent(version) });
    context.setDefaultTimeout(PAGE_MS_MAX);
    await context.addInitScript(watchTotals);
    await logIn(context, shop.url, operator);
    const first = await load(context, `${shop.url}${PAGES[0]}`, true);
    console.log(`first load after a start, cold: ${waits([first.totalsAt])}`);
    console.log(
      'page                                      cold, median (max)    warm, median (max)    of it the API',
    );
    for (const path of PAGES) {
      const loads = { cold: [], warm: [] };
      for (let round = 0; round < LOADS; round += 1) {
        loads.cold.push(await load(context, `${shop.url}${path}`, true));
        loads.warm.push(await load(context, `${shop.url}${path}`, false));
      }
      const { cold, warm } = loads;
      const column = (some) => waits(some.map(({ totalsAt }) => totalsAt));
      const answered = medianOf([...cold, ...warm].map(({ answerMs }) => answerMs));
      console.log(
        `  ${path.padEnd(40)}${column(cold)}  ${column(warm)}  ${answered.toFixed(0).padStart(6)} ms`,
      );
    }
    console.log(`afterwards: ${machine()}`);
  } finally {
    await browser.close();
    await shop?.stop();
  }
}

function firstOperator(output) {
  const [, email, password] = /password is shown this once.*\n +(\S+)\n +(\S+)\n/.exec(output) ?? [];
  if (password === undefined) throw new Failure('This folder has an operator already: say who.');
  return { email, password };
}

/**
 * Waits until a marketplace whose Redis was empty has done what it does once: counted every event, and told others of
 * all that the ledgers hold. Answers the figures.
 */
async function settled({ url, output }, operator) {
  const answer = await fetch(`${url}/api/v1/sessions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(operator),
  });
  const { accessToken } = await answer.json();
  const [, consumer] = /^ *consumer +(http\S+)/m.exec(output()) ?? [];
  const end = performance.now() + SETTLE_MS_MAX;
  let [seconds, quietLooks] = [0, 0];
  while (performance.now() < end) {
    const metrics = await (await fetch(`${consumer}/metrics`)).text();
    const lags = [...metrics.matchAll(/^ticktak_outbox_lag_entries\S* (\d+)$/gm)].map(([, lag]) =>
      Number(lag),
    );
    const asked = await fetch(`${url}/api/v1/operations/sales`, {
      headers: { Authorization: `Bearer ${accessToken}` },
    });
    const figures = await asked.json();
    // The data lake takes the ledgers in, too, which keeps a processor busy for minutes.
    const used = Number(/^process_cpu_seconds_total\S* (\S+)$/m.exec(metrics)?.[1] ?? 0);
    quietLooks = used - seconds < QUIET_SECONDS_MAX ? quietLooks + 1 : 0;
    seconds = used;
    const isDone = figures.isComplete && lags.every((lag) => lag === 0);
    if (asked.ok && isDone && quietLooks >= QUIET_LOOKS) return figures;
    await sleep(1_000);
  }
  throw new Failure('The marketplace did not settle in time.');
}

async function logIn(context, url, { email, password }) {
  const page = await context.newPage();
  await page.goto(`${url}/login`);
  await page.getByRole('textbox', { name: /E-mail address/ }).fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Log in', exact: true }).click();
  await page.waitForURL((at) => at.pathname !== '/login');
  await page.close();
}

/** One load in a tab of its own: when the totals stood there, and how long the API took for them, milliseconds. */
async function load(context, url, isCold) {
  const page = await context.newPage();
  try {
    if (isCold) {
      const devtools = await context.newCDPSession(page);
      await devtools.send('Network.clearBrowserCache');
      await devtools.detach();
    }
    await page.goto(url, { waitUntil: 'commit' });
    await page.waitForFunction(() => performance.getEntriesByName('totals').length > 0);
    const seen = await page.evaluate(measured);
    if (!/[1-9]/.test(seen.sold))
      throw new Failure(`${url} shows ${seen.sold} tickets: it is not what was seeded.`);
    if (isCold && seen.cached.length > 0)
      throw new Failure(`Not cold: ${seen.cached.join(', ')} came from the cache.`);
    if (!isCold && seen.fetched.length > 0)
      throw new Failure(`Not warm: ${seen.fetched.join(', ')} did not.`);
    // What comes after the totals is in the cache, too, before a warm load follows.
    await page.waitForLoadState('networkidle');
    return seen;
  } finally {
    await page.close();
  }
}

/* global document, MutationObserver, requestAnimationFrame */

/** Runs in the page before its scripts: marks the frame that first shows totals. */
function watchTotals() {
  const observer = new MutationObserver(() => {
    const tile = document.querySelector('.operator .tile-value');
    if (tile === null || !/\d/.test(tile.textContent)) return;
    observer.disconnect();
    // The first comes before that frame is drawn, the second after.
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('totals')));
  });
  observer.observe(document, { childList: true, subtree: true, characterData: true });
}

/** Runs in the page. */
function measured() {
  const totalsAt = performance.getEntriesByName('totals')[0].startTime;
  const before = performance.getEntriesByType('resource').filter(({ startTime }) => startTime < totalsAt);
  const pathOf = ({ name }) => new URL(name).pathname;
  const answer = before.find((one) => pathOf(one) === '/api/v1/operations/sales');
  const files = before.filter((one) => /\.(js|css|woff2)$/.test(pathOf(one)) && one.responseEnd > 0);
  return {
    totalsAt,
    answerMs: answer.responseEnd - answer.startTime,
    sold: document.querySelector('.operator .tile-value').textContent,
    cached: files.filter(({ transferSize }) => transferSize === 0).map(pathOf),
    fetched: files.filter(({ transferSize }) => transferSize > 0).map(pathOf),
  };
}

async function main([dir, email, password]) {
  if (dir === undefined || !existsSync(join(dir, 'archive'))) {
    throw new Failure(
      'Usage: node scripts/measure-dashboard.mjs DIR [email password]; DIR/archive holds ledgers',
    );
  }
  await ensureInstalled();
  await ensureBuilt();
  await measureDashboard({ dir, ...(password !== undefined && { known: { email, password } }) });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2)).catch(fail);
