/** Everything that is measured. */
import type { Group } from './contender.js';
import { bare } from './contenders/bare.js';
import { mongodbRow, postgresqlRow } from './contenders/database-row.js';
import { engine, ENGINE_CASES, evalsha, type EngineCase } from './contenders/engine.js';
import { CONNECTIONS_CASES, connections, type ConnectionsCase } from './contenders/connections.js';
import { durableObjects, durableObjectsDirect } from './contenders/durable-objects.js';
import { HOLD_CASES, type HoldCase } from './contenders/holds.js';
import { idle, IDLE_CASES, idleExpress, type IdleCase } from './contenders/idle.js';
import { INGESTION_CASES, ingestion, parsing, type IngestionCase } from './contenders/ingestion.js';
import { jobPerRequest } from './contenders/job-per-request.js';
import {
  HALF_LOAD_CASES,
  halfLoad,
  LIST_CASES,
  list,
  PURCHASE_CASES,
  purchases,
  sameBytes,
  type LoadCase,
} from './contenders/buying.js';
import { producing, PUBLISHING_CASES, publishing, type PublishingCase } from './contenders/publishing.js';
import { salesMode, SALES_MODE_CASES } from './contenders/sales-mode.js';
import { soak, SOAK_HOLDS, SOAK_VALUES, soakCases, soakInLittle, type SoakCase } from './contenders/soak.js';
import { STREAMS_CASES, streams, type StreamsCase } from './contenders/streams.js';
import { TAKEOVER_CASES, takeover, type TakeoverCase } from './contenders/takeover.js';
import { ticktak, ticktakWorkers } from './contenders/ticktak.js';
import { FSYNCS } from './program.js';

/** What aims are for. */
const PRODUCT = { contender: 'ticktak/everysec' } as const;

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
    { ...PRODUCT, kind: 'ratio', case: case_, reference: 'bare/everysec', atLeast: ofBare },
    { ...PRODUCT, kind: 'ratio', case: case_, reference: 'job/everysec', atLeast: job },
  ]),
};

const withoutHttp: Group<EngineCase> = {
  id: 'engine',
  title: 'Holds without HTTP',
  unit: 'holds',
  cases: ENGINE_CASES,
  contenders: [evalsha, engine],
  references: ['evalsha'],
  aims: [{ kind: 'ratio', case: 'hot', contender: 'engine', reference: 'evalsha', atLeast: 0.6 }],
};

const halfTheLoad: Group<LoadCase> = {
  id: 'half-load',
  title: 'Holds at half the load that is possible',
  unit: 'holds',
  cases: HALF_LOAD_CASES,
  contenders: [halfLoad],
  references: [],
  aims: [{ ...PRODUCT, kind: 'limit', case: 'spread', of: 'p99', atMost: 25 }],
};

const purchase: Group<LoadCase> = {
  id: 'purchase',
  title: 'Hold and pay',
  unit: 'purchases',
  cases: PURCHASE_CASES,
  contenders: [purchases],
  references: [],
  aims: [],
};

const matchList: Group<LoadCase> = {
  id: 'list',
  title: 'The list of matches',
  unit: 'reads',
  cases: LIST_CASES,
  contenders: [sameBytes, list],
  references: ['express'],
  aims: [{ ...PRODUCT, kind: 'ratio', case: '64', reference: 'express', atLeast: 0.9 }],
};

const kafka: Group<IngestionCase> = {
  id: 'ingestion',
  title: 'Messages of other marketplaces',
  unit: 'records',
  cases: INGESTION_CASES,
  contenders: [parsing, ingestion],
  references: ['kafkajs'],
  aims: [{ ...PRODUCT, kind: 'ratio', case: 'spread', reference: 'kafkajs', atLeast: 0.5 }],
};

const toOthers: Group<PublishingCase> = {
  id: 'publishing',
  title: 'Messages to other marketplaces',
  unit: 'records',
  cases: PUBLISHING_CASES,
  contenders: [producing, publishing],
  references: ['kafkajs'],
  aims: [],
};

const OPTIMISTIC = 'sales-mode/optimistic';

const modes: Group<HoldCase> = {
  id: 'sales-mode',
  title: 'Holds on a real broker, optimistic and ordered',
  unit: 'holds',
  cases: SALES_MODE_CASES,
  contenders: [salesMode('optimistic'), salesMode('ordered')],
  references: [OPTIMISTIC],
  aims: SALES_MODE_CASES.map(({ id }) => ({
    kind: 'ratio',
    case: id,
    contender: 'sales-mode/ordered',
    reference: OPTIMISTIC,
    atLeast: 0.5,
  })),
};

const availability: Group<StreamsCase> = {
  id: 'streams',
  title: 'Availability as it changes',
  unit: 'sightings',
  isCountGiven: true,
  cases: STREAMS_CASES,
  contenders: [streams],
  references: [],
  aims: [{ ...PRODUCT, kind: 'limit', case: '1000', of: 'p99', atMost: 200 }],
};

const takeovers: Group<TakeoverCase> = {
  id: 'takeover',
  title: 'A ticket without its worker',
  unit: 'kills',
  isCountGiven: true,
  cases: TAKEOVER_CASES,
  contenders: [takeover],
  references: [],
  aims: [],
};

const WORKERS_MAX = 4;

const workers: Group<HoldCase> = {
  id: 'workers',
  title: 'Holds with more workers',
  unit: 'holds',
  cases: HOLD_CASES.filter(({ id }) => id === 'spread-512'),
  contenders: Array.from({ length: WORKERS_MAX }, (_, index) => ticktakWorkers(index + 1)),
  references: ['workers/1'],
  aims: [],
};

const toServers: Group<ConnectionsCase> = {
  id: 'connections',
  title: 'Connections to the servers',
  unit: 'holds',
  cases: CONNECTIONS_CASES,
  contenders: [connections],
  references: [],
  aims: [],
};

const silent: Group<IdleCase> = {
  id: 'idle',
  title: 'Connections that are silent',
  unit: 'connections',
  isCountGiven: true,
  cases: IDLE_CASES,
  contenders: [idleExpress, idle],
  references: [],
  aims: [],
};

const SOAK_AIMS = [
  { value: SOAK_VALUES.worker, atMost: 200 },
  { value: SOAK_VALUES.own, atMost: 200 },
  { value: SOAK_VALUES.growth, atMost: 5 },
  { value: SOAK_VALUES.ownGrowth, atMost: 5 },
];

const soaking = (soakHolds: number): Group<SoakCase> => ({
  id: 'soak',
  title: 'Memory after very many holds',
  unit: 'holds',
  cases: soakCases(soakHolds),
  contenders: [soak, soakInLittle],
  references: [],
  aims: [soak, soakInLittle].flatMap(({ id }) =>
    SOAK_AIMS.map(
      ({ value, atMost }) =>
        ({ kind: 'limit', case: 'spread', contender: id, of: { value }, atMost }) as const,
    ),
  ),
});

export interface GroupOptions {
  /** How many holds `soak` makes. */
  readonly soakHolds: number;
}

/** A contender is only ever asked for the cases of its own group. */
export const groupsOf = ({ soakHolds }: GroupOptions): readonly Group[] => [
  holds,
  withoutHttp,
  halfTheLoad,
  purchase,
  matchList,
  kafka,
  toOthers,
  modes,
  availability,
  takeovers,
  toServers,
  silent,
  workers,
  soaking(soakHolds),
];

export const GROUPS = groupsOf({ soakHolds: SOAK_HOLDS });
