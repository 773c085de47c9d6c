/** Everything that is measured. */
import type { Group } from './contender.js';
import { bare } from './contenders/bare.js';
import { mongodbRow, postgresqlRow } from './contenders/database-row.js';
import { durableObjects, durableObjectsDirect } from './contenders/durable-objects.js';
import { HOLD_CASES, type HoldCase } from './contenders/holds.js';
import { jobPerRequest } from './contenders/job-per-request.js';
import { ticktak } from './contenders/ticktak.js';
import { FSYNCS } from './program.js';

/** What is aimed at for holds: as a share of the bare handler, and how many times one job per request. */
const HOLD_AIMS = [
  { case: 'hot-64', bare: 0.85, job: 3 },
  { case: 'hot-512', bare: 0.95, job: 3 },
  { case: 'spread-64', bare: 0.6, job: 2 },
  { case: 'spread-512', bare: 0.8, job: 2 },
];

const holds: Group<HoldCase> = {
  id: 'holds',
  title: 'Holds over HTTP',
  unit: 'holds',
  cases: HOLD_CASES,
  contenders: [
    ...FSYNCS.map(bare),
    jobPerRequest('everysec'),
    durableObjects,
    durableObjectsDirect,
    mongodbRow,
    postgresqlRow,
    ...FSYNCS.map(ticktak),
  ],
  references: ['bare/everysec', 'job/everysec'],
  aims: HOLD_AIMS.flatMap(({ case: case_, bare: ofBare, job }) => [
    { case: case_, contender: 'ticktak/everysec', reference: 'bare/everysec', atLeast: ofBare },
    { case: case_, contender: 'ticktak/everysec', reference: 'job/everysec', atLeast: job },
  ]),
};

/** A contender is only ever asked for the cases of its own group. */
export const GROUPS: readonly Group[] = [holds];
