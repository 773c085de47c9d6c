/** Restate's server, which `npm run bench` compares with: from npm, kept apart from ticktak's own packages. */
import { existsSync, copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { folderOf, makeFolder, source } from './cache.mjs';
import { versionOf } from './programs.mjs';

const FILES = ['package.json', 'package-lock.json'].map((name) => source('restate', name));
/** Install scripts stay out: one of them would report the installation. */
const INSTALL = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

/** Never throws; with `install` it may fetch what is missing. */
export async function findRestate({ install, log }) {
  try {
    const folder = folderOf('restate', FILES);
    if (!folder.isThere) {
      if (!install) throw new Error('not in the cache yet');
      log('Fetching Restate’s server with npm ...');
      await makeFolder(folder.path, (path, run) => {
        for (const file of FILES) copyFileSync(file, join(path, basename(file)));
        return run('npm', [...INSTALL, '--prefix', path]);
      });
    }
    const name = `restate-server-${process.platform}-${process.arch}`;
    const path = join(folder.path, 'node_modules', '@restatedev', name, 'bin', 'restate-server');
    if (!existsSync(path)) throw new Error(`there is none for ${process.platform} on ${process.arch}`);
    const version = await versionOf(path, ['--version'], /(\d+\.\d+\.\S+)/);
    if (version === null) throw new Error('it does not run on this machine');
    return { kind: 'real', name: 'Restate', version, path };
  } catch (error) {
    return { kind: 'none', reason: error.message };
  }
}
