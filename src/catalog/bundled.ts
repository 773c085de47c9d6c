/** The list that ticktak brings along: the 64 matches of the 2022 World Cup, in the market's wire format. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { matchEntrySchema, type MatchEntry } from './match.js';

const LIST_URL = new URL('./master-list.json', import.meta.url);

/** Reads and checks the bundled list, in the order of match numbers. Throws when the file is not a valid list. */
export function bundledMasterList(): MatchEntry[] {
  return z.array(matchEntrySchema).parse(JSON.parse(readFileSync(LIST_URL, 'utf8')));
}
