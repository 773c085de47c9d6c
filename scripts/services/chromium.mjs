/**
 * The browser that tests and measurements look with: Chromium or Chrome of this machine, else Debian's Chromium
 * where that can be installed without questions. CHROMIUM_PATH names one to be used whatever else there is.
 */
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { installWithApt, versionOf } from './programs.mjs';

/** The names are looked up on PATH. */
const PLACES = [
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  '/usr/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** Never throws; with `install` it may fetch what is missing. */
export async function findChromium({ install, log }) {
  const named = process.env.CHROMIUM_PATH;
  try {
    const found =
      (await first(named ? [named] : PLACES)) ?? (install && !named ? await installed(log) : null);
    if (!found)
      throw new Error(named ? `${named} cannot be run (CHROMIUM_PATH)` : 'chromium is not installed');
    return { kind: 'real', name: 'Chromium', ...found };
  } catch (error) {
    return { kind: 'none', reason: error.message };
  }
}

/** With its whole path, because whoever starts it may not look on PATH. */
async function first(places) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  const paths = places.flatMap((place) =>
    isAbsolute(place) ? [place] : folders.map((folder) => join(folder, place)),
  );
  for (const path of paths.filter((each) => existsSync(each))) {
    const version = await versionOf(path, ['--version'], /(?:Chromium|Chrome) (\d[\d.]*)/);
    if (version !== null) return { path, version };
  }
  return null;
}

async function installed(log) {
  await installWithApt('chromium', log);
  return first(PLACES);
}
