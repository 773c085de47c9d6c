/** The product's entry with a CPU profile of its whole run, written to PROFILE_DIR when it ends. Opens in any browser's developer tools. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';

const { PROFILE_DIR = '.' } = process.env;
const name = process.argv.filter((_, index, all) => all[index - 1] === '--role').join('-');
const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: 1_000 });
session.post('Profiler.start');
process.once('exit', () => {
  session.post('Profiler.stop', (error, stopped) => {
    if (error) return;
    writeFileSync(join(PROFILE_DIR, `${name}-${process.pid}.cpuprofile`), JSON.stringify(stopped.profile));
  });
});
await import('../../dist/src/run.js');
