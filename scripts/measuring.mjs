/** What measurements in a browser share: a marketplace in a process of its own, the browser, and how times are told. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { Failure, inRoot } from './lib.mjs';

const START_MS_MAX = 60_000;
const ROLES = ['SHOP', 'CONSUMER', 'RESERVATIONS', 'USER', 'PAYMENTS', 'SECURITY', 'WORKER', 'ANALYTICS'];

export async function launchBrowser() {
  const { findChromium } = await import('./services/chromium.mjs');
  const found = await findChromium({ install: true, log: console.log });
  if (found.kind === 'none') throw new Failure(`There is no browser to measure with: ${found.reason}`);
  const { chromium } = await import('playwright-core');
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const args = ['--disable-gpu', '--disable-background-networking', '--disable-component-update', ...sandbox];
  return { browser: await chromium.launch({ executablePath: found.path, args }), version: found.version };
}

/** All roles in one process that keeps everything in `dir`, on free ports. `output`: what it printed. */
export async function startMarketplace({ dir, startMsMax = START_MS_MAX }) {
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
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  };
  let text = '';
  try {
    await new Promise((resolve, reject) => {
      setTimeout(() => reject(new Failure('The marketplace did not start in time.')), startMsMax).unref();
      child.once('exit', (code) => reject(new Failure(`The marketplace ended with ${code}.`)));
      child.stdout.on('data', (chunk) => {
        text += String(chunk);
        if (text.includes('Ctrl-C stops it')) resolve();
      });
    });
  } catch (error) {
    await stop();
    throw error;
  }
  child.removeAllListeners('exit');
  return { url, output: () => text, stop };
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

/** The machine, and how busy it is at this moment. */
export const machine = () =>
  `${cpus().length} x ${cpus()[0].model}, Node ${process.version}, load ${loadavg()[0].toFixed(1)}`;

const seconds = (ms) => `${(ms / 1_000).toFixed(2)} s`;

export function medianOf(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Median and longest of times in milliseconds, as a column. */
export const waits = (values) => `${seconds(medianOf(values))} (${seconds(Math.max(...values))})`.padEnd(20);
