/**
 * `npm run services`: fetches what the tests use for Kafka and MongoDB into the cache of this user, and a browser,
 * and says what it is. Fails when one of them cannot be had.
 */
import { CACHE } from './services/cache.mjs';
import { findServices } from './services/find.mjs';

const { kafka, mongo, browser } = await findServices({ install: true });
say('Kafka', kafka);
say('MongoDB', mongo);
say('Browser', browser);
console.log(`Cache: ${CACHE}`);
process.exitCode = [kafka, mongo, browser].some(({ kind }) => kind === 'none') ? 1 : 0;

function say(what, { kind, name, version, reason }) {
  const found = kind === 'none' ? 'none' : `${name} ${version}${kind === 'real' ? '' : ' as a stand-in'}`;
  console.log(`${what}: ${found}${reason ? ` (${reason})` : ''}`);
}
