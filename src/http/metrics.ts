/** The metrics of a process, made on a registry that is passed in. Names are stable: dashboards stand on them. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface Metrics {
  readonly holds: Counter;
  readonly sales: Counter;
  readonly refusals: Counter<'code'>;
  readonly httpSeconds: Histogram<'route' | 'method' | 'status'>;
  readonly streamClients: Gauge;
  /** Set by the queues, the actors and the relay. */
  readonly queueDepth: Gauge<'ticket'>;
  readonly batchCommands: Histogram;
  readonly commitSeconds: Histogram;
  readonly outboxLagEntries: Gauge<'ticket'>;
  readonly oversubscribedTickets: Gauge;
  /** Set by the consumer. */
  readonly messages: Counter<'outcome'>;
  readonly consumerLagRecords: Gauge<'source'>;
  readonly messagesWaiting: Gauge;
}

/** Once per registry: every service of a process shares them. */
export function createMetrics(registry: Registry): Metrics {
  const registers = [registry];
  return {
    holds: new Counter({ name: 'ticktak_holds_total', help: 'Holds granted over HTTP', registers }),
    sales: new Counter({ name: 'ticktak_sales_total', help: 'Reservations paid over HTTP', registers }),
    refusals: new Counter({
      name: 'ticktak_refusals_total',
      help: 'Problems answered, by code',
      labelNames: ['code'],
      registers,
    }),
    httpSeconds: new Histogram({
      name: 'ticktak_http_request_seconds',
      help: 'Time from request to last byte of the response',
      labelNames: ['route', 'method', 'status'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    streamClients: new Gauge({
      name: 'ticktak_stream_clients',
      help: 'Open server-sent event streams',
      registers,
    }),
    queueDepth: new Gauge({
      name: 'ticktak_queue_depth',
      help: 'Jobs waiting in the queue of a ticket',
      labelNames: ['ticket'],
      registers,
    }),
    batchCommands: new Histogram({
      name: 'ticktak_batch_commands',
      help: 'Commands in one commit',
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'ticktak_commit_seconds',
      help: 'Time of one commit in Redis',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
      registers,
    }),
    outboxLagEntries: new Gauge({
      name: 'ticktak_outbox_lag_entries',
      help: 'Committed events not yet archived and published',
      labelNames: ['ticket'],
      registers,
    }),
    messages: new Counter({
      name: 'ticktak_messages_total',
      help: 'Messages of the market, by what became of them',
      labelNames: ['outcome'],
      registers,
    }),
    consumerLagRecords: new Gauge({
      name: 'ticktak_consumer_lag_records',
      help: 'Records of the market not read yet, by partition',
      labelNames: ['source'],
      registers,
    }),
    messagesWaiting: new Gauge({
      name: 'ticktak_messages_waiting',
      help: 'Messages that wait for the master-list entry of their ticket',
      registers,
    }),
    oversubscribedTickets: new Gauge({
      name: 'ticktak_oversubscribed_tickets',
      help: 'Tickets pended or sold beyond their capacity across marketplaces, in total',
      registers,
    }),
  };
}
