/** The log that the settings ask for: on brokers, or in this process. */
import type { Settings } from '../../config/settings.js';
import { systemClock } from '../process/clock.js';
import type { Logger } from '../process/log.js';
import { isOrdered } from '../process/sales-mode.js';
import { BrokerLog } from './broker-log.js';
import { InProcessFeed } from './feed.js';
import { KafkaClient } from './kafkajs.js';
import type { Log } from './port.js';
import { kafkaSecurity } from './security.js';

/** Not started yet. Rejects when a certificate cannot be read. */
export async function makeLog(settings: Settings, logger: Logger): Promise<Log> {
  const { clientId, kafkaBrokers } = settings;
  if (kafkaBrokers === undefined) return new InProcessFeed({ clock: systemClock });
  const client = new KafkaClient({
    brokers: kafkaBrokers.split(',').map((broker) => broker.trim()),
    clientId,
    logger,
    ...(await kafkaSecurity(settings)),
  });
  return new BrokerLog({
    client,
    clientId,
    groupId: settings.kafkaGroupId ?? clientId,
    salesTopic: settings.salesTopic,
    topics: {
      masterlistTopic: settings.masterlistTopic,
      salesTopic: settings.salesTopic,
      create: settings.kafkaCreateTopics,
      salesPartitions: settings.kafkaSalesPartitions,
      ordered: isOrdered(settings),
      replication: settings.kafkaReplication === 0 ? -1 : settings.kafkaReplication,
    },
    fencing: settings.kafkaFencing,
    clock: systemClock,
    logger,
  });
}
