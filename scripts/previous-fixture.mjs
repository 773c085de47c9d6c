/**
 * Writes test/upgrade/<tag>: what the previous release stores, by its own code. Once per release, before the next one
 * changes how anything is stored. Node's own modules only.
 */
import { register } from 'node:module';
import { ensureBuilt, ensureInstalled, inRoot } from './lib.mjs';

await ensureInstalled();
await ensureBuilt();
register(`file://${inRoot('test/helpers/typescript.mjs')}?hooks`);
const { writeFixture } = await import('../test/upgrade/write-fixture.ts');
await writeFixture();
process.exit();
