/**
 * The topics of the market: made when that is allowed, and looked at before they are relied on. A marketplace
 * that joins reads every sale from the beginning, so records must neither be compacted nor deleted.
 */
import type { Logger } from '../process/log.js';
import type { KafkaClient } from './kafkajs.js';

export interface TopicPolicy {
  readonly masterlistTopic: string;
  readonly salesTopic: string;
  /** Makes topics that do not exist. */
  readonly create: boolean;
  /** Of a new sales topic. The master list has one, so that its entries keep their order. */
  readonly salesPartitions: number;
  /** Of new topics; -1 as the brokers do by default. */
  readonly replication: number;
  /** Tickets are sold in the order of the sales topic. Absent: at once. */
  readonly ordered?: boolean;
}

/** The topics cannot be used as they are. Each line says what to do. */
export class TopicsError extends Error {
  override readonly name = 'TopicsError';
}

/** Records must be kept at least this long: a tournament's sale, and the time after it, milliseconds. */
const RETENTION_MS_MIN = 365 * 24 * 60 * 60 * 1_000;
const KEPT_FOR_EVER = { 'retention.ms': '-1', 'retention.bytes': '-1', 'cleanup.policy': 'delete' };
const TIME_TYPE = 'message.timestamp.type';
const TIMES_OF_BROKERS = 'LogAppendTime';

/** Throws `TopicsError` when selling on these topics would go wrong; warns where it may. */
export async function checkTopics(client: KafkaClient, policy: TopicPolicy, logger: Logger): Promise<void> {
  const { masterlistTopic, salesTopic } = policy;
  const names = [masterlistTopic, salesTopic];
  let found = await client.topics(names);
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) {
    if (!policy.create) throw new TopicsError(missing.map((name) => missingText(name, policy)).join('\n'));
    await client.createTopics(
      missing.map((name) => ({
        name,
        partitions: partitionsOf(name, policy),
        replication: policy.replication,
        settings: settingsFor(name, policy),
      })),
    );
    found = await client.topics(names);
    logger.info({ topics: missing }, 'made topics that did not exist');
  }
  const settings = await settingsOf(client, names, logger);
  const problems = [
    ...names.flatMap((name) => problemsOf(name, settings.get(name) ?? new Map())),
    ...(policy.ordered
      ? orderProblemsOf(salesTopic, found.get(salesTopic)?.partitions ?? 1, settings.get(salesTopic))
      : []),
  ];
  for (const { text } of problems) logger.warn(text);
  const fatal = problems.filter(({ isFatal }) => isFatal);
  if (fatal.length > 0) throw new TopicsError(fatal.map(({ text }) => text).join('\n'));
  if ((found.get(masterlistTopic)?.partitions ?? 1) > 1) {
    logger.warn(
      `The topic ${masterlistTopic} has more than one partition: changes of one match can overtake each other.`,
    );
  }
}

const partitionsOf = (name: string, { masterlistTopic, salesPartitions }: TopicPolicy): number =>
  name === masterlistTopic ? 1 : salesPartitions;

const settingsFor = (name: string, { salesTopic, ordered }: TopicPolicy): Record<string, string> =>
  ordered && name === salesTopic ? { ...KEPT_FOR_EVER, [TIME_TYPE]: TIMES_OF_BROKERS } : KEPT_FOR_EVER;

const missingText = (name: string, policy: TopicPolicy): string =>
  `Kafka has no topic ${name}. Make it (kafka-topics --create --topic ${name} --partitions ` +
  `${partitionsOf(name, policy)} --config retention.ms=-1${
    policy.ordered && name === policy.salesTopic ? ` --config ${TIME_TYPE}=${TIMES_OF_BROKERS}` : ''
  }), or set KAFKA_CREATE_TOPICS=true.`;

/** Brokers may forbid to look: then nothing is known to be wrong. */
async function settingsOf(
  client: KafkaClient,
  names: readonly string[],
  logger: Logger,
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  try {
    return await client.topicSettings(names);
  } catch (error) {
    logger.warn({ err: error }, 'the settings of the topics could not be read; taken to keep every record');
    return new Map();
  }
}

interface TopicProblem {
  readonly isFatal: boolean;
  readonly text: string;
}

/** What the order of one log and its own times rest on. Exported for tests. */
export function orderProblemsOf(
  name: string,
  partitions: number,
  settings: ReadonlyMap<string, string> | undefined,
): TopicProblem[] {
  const problems: TopicProblem[] = [];
  if (partitions !== 1) {
    problems.push({
      isFatal: true,
      text:
        `The topic ${name} has ${partitions} partitions: with SALES_MODE=ordered the order of one partition decides who gets ` +
        'a ticket. Make a topic with one, or set SALES_MODE=optimistic.',
    });
  }
  const type = settings?.get(TIME_TYPE);
  if (type !== TIMES_OF_BROKERS) {
    const is = type ?? 'not known';
    problems.push({
      // Brokers may forbid to look.
      isFatal: type !== undefined,
      text:
        `The topic ${name} has ${TIME_TYPE} ${is}: with SALES_MODE=ordered holds end by the time at which the brokers took them. ` +
        `Set it (kafka-configs --alter --topic ${name} --add-config ${TIME_TYPE}=${TIMES_OF_BROKERS}).`,
    });
  }
  return problems;
}

/** Exported for tests. */
export function problemsOf(name: string, settings: ReadonlyMap<string, string>): TopicProblem[] {
  const problems: TopicProblem[] = [];
  const policy = settings.get('cleanup.policy') ?? 'delete';
  if (policy.includes('compact')) {
    problems.push({
      isFatal: true,
      text:
        `The topic ${name} has cleanup.policy=${policy}: it forgets all but the newest sale of each ticket. ` +
        `Set cleanup.policy=delete (kafka-configs --alter --topic ${name} --add-config cleanup.policy=delete).`,
    });
  }
  const retention = Number(settings.get('retention.ms') ?? -1);
  if (retention >= 0 && retention < RETENTION_MS_MIN) {
    problems.push({
      isFatal: false,
      text:
        `The topic ${name} deletes records after ${Math.round(retention / 3_600_000)} h (retention.ms=${retention}): ` +
        'a marketplace that reads it later counts too few sales. Set retention.ms=-1.',
    });
  }
  const bytes = Number(settings.get('retention.bytes') ?? -1);
  if (bytes >= 0) {
    problems.push({
      isFatal: false,
      text: `The topic ${name} deletes records past ${bytes} bytes (retention.bytes): set retention.bytes=-1.`,
    });
  }
  const inSync = Number(settings.get('min.insync.replicas') ?? 1);
  if (inSync < 2) {
    problems.push({
      isFatal: false,
      text:
        `The topic ${name} acknowledges records that one broker alone has (min.insync.replicas=${inSync}): ` +
        'they are lost with it. With three brokers set min.insync.replicas=2.',
    });
  }
  return problems;
}
