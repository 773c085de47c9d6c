/** The metrics of a process, made on a registry that is passed in. Names are stable: dashboards stand on them. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { PROBLEMS } from './problem.js';

export interface Metrics {
  readonly holds: Counter;
  readonly sales: Counter;
  readonly refusals: Counter<'code'>;
  readonly httpSeconds: Histogram<'route' | 'method' | 'status'>;
  readonly streamClients: Gauge;
  /** Set whenever a process is asked whether it is ready, or for its metrics. */
  readonly partReady: Gauge<'part'>;
  /** Set by the queues, the actors and the relay. */
  readonly queueDepth: Gauge<'ticket'>;
  readonly batchCommands: Histogram;
  readonly commitSeconds: Histogram;
  readonly outboxLagEntries: Gauge<'ticket'>;
  readonly outboxOldestSeconds: Gauge;
  readonly ticketsNewer: Gauge;
  readonly ticketsOwned: Gauge;
  readonly oversubscribedTickets: Gauge;
  /** Set by the reconciler of payments. */
  readonly paymentsDue: Gauge;
  /** Set by the watch of payouts. */
  readonly paymentMismatches: Gauge;
  readonly paymentsStuck: Gauge;
  readonly paymentsOldestDueSeconds: Gauge;
  /** Set by the deliverer of mails. */
  readonly mails: Counter<'kind' | 'outcome'>;
  readonly mailsDue: Gauge;
  readonly mailsOldestSeconds: Gauge;
  /** Set by the consumer. */
  readonly messages: Counter<'outcome'>;
  readonly consumerLagRecords: Gauge<'source'>;
  readonly messagesWaiting: Gauge;
  readonly marketJoined: Gauge;
  /** Set by the watch of the queues, beside the consumer. */
  readonly workers: Gauge;
  readonly queueOldestSeconds: Gauge<'ticket'>;
  readonly ticketsWithoutOwner: Gauge;
  readonly deadLettersOpen: Gauge;
  /** Set where what other marketplaces left open is looked at. */
  readonly orphansOpen: Gauge;
  readonly remoteHoldsFlagged: Gauge;
  /** Set where the waiting room is looked at: the same in every process. */
  readonly roomWaiting: Gauge;
  readonly roomAdmitted: Gauge;
  readonly roomInside: Gauge;
  readonly roomPerMinute: Gauge;
  /** Set by the keeper of the data lake. */
  readonly lakeBookings: Counter;
  readonly lakeFiles: Gauge;
  readonly lakeBehindSeconds: Gauge;
  /** Set where a process keeps itself standing. */
  readonly shed: Counter<'class' | 'answer'>;
  readonly shedShare: Gauge<'class'>;
  readonly breakerState: Gauge<'dependency'>;
}

/** Once per registry: every service of a process shares them. */
export function createMetrics(registry: Registry): Metrics {
  const metrics = makeMetrics([registry]);
  // A series that begins with its first event has no rise that a rule could see.
  for (const code of Object.keys(PROBLEMS)) metrics.refusals.inc({ code }, 0);
  return metrics;
}

function makeMetrics(registers: Registry[]): Metrics {
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
    partReady: new Gauge({
      name: 'ticktak_part_ready',
      help: '1 when the part passed its check of readiness at the last look, else 0',
      labelNames: ['part'],
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
    outboxOldestSeconds: new Gauge({
      name: 'ticktak_outbox_oldest_seconds',
      help: 'How long ago the oldest of them was committed',
      registers,
    }),
    ticketsNewer: new Gauge({
      name: 'ticktak_tickets_newer',
      help: 'Tickets that this worker leaves to a newer version, because it does not understand what that wrote.',
      registers,
    }),
    ticketsOwned: new Gauge({
      name: 'ticktak_tickets_owned',
      help: 'Tickets that this worker has',
      registers,
    }),
    messages: new Counter({
      name: 'ticktak_messages_total',
      help: 'Messages of the market, by what became of them',
      labelNames: ['outcome'],
      registers,
    }),
    paymentsDue: new Gauge({
      name: 'ticktak_payments_due',
      help: 'Payments that had to be compared with the provider at the last look (50: or more)',
      registers,
    }),
    paymentMismatches: new Gauge({
      name: 'ticktak_payment_mismatches',
      help: 'What did not match between payments on record and payouts of the last 35 days, when they were compared last',
      registers,
    }),
    paymentsStuck: new Gauge({
      name: 'ticktak_payments_stuck',
      help: 'Payments whose refund the provider refuses, at the last look (100: or more)',
      registers,
    }),
    paymentsOldestDueSeconds: new Gauge({
      name: 'ticktak_payments_oldest_due_seconds',
      help: 'How long the payment that has waited longest was due, or looked at in vain; stuck ones left out',
      registers,
    }),
    mails: new Counter({
      name: 'ticktak_mails_total',
      help: 'Mails by what became of an attempt: sent, failed (tried again), dropped, given_up',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    mailsDue: new Gauge({
      name: 'ticktak_mails_due',
      help: 'Mails that waited to be handed over at the last look (50: or more)',
      registers,
    }),
    mailsOldestSeconds: new Gauge({
      name: 'ticktak_mails_oldest_seconds',
      help: 'How long the oldest of the mails that were due has waited',
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
    marketJoined: new Gauge({
      name: 'ticktak_market_joined',
      help: '1 while this consumer is a member of the group that reads the market, else 0',
      registers,
    }),
    workers: new Gauge({
      name: 'ticktak_workers',
      help: 'Workers that live',
      registers,
    }),
    queueOldestSeconds: new Gauge({
      name: 'ticktak_queue_oldest_seconds',
      help: 'How long the oldest job in the queue of a ticket has been there',
      labelNames: ['ticket'],
      registers,
    }),
    ticketsWithoutOwner: new Gauge({
      name: 'ticktak_tickets_without_owner',
      help: 'Tickets with work waiting that no worker had at two looks in a row',
      registers,
    }),
    deadLettersOpen: new Gauge({
      name: 'ticktak_dead_letters_open',
      help: 'Dead letters on the board that were not re-driven',
      registers,
    }),
    orphansOpen: new Gauge({
      name: 'ticktak_orphans_open',
      help: 'Cancellations of other marketplaces that nothing explains and nobody has decided about',
      registers,
    }),
    remoteHoldsFlagged: new Gauge({
      name: 'ticktak_remote_holds_flagged',
      help: 'Holds of other marketplaces without an end that are older than they should be',
      registers,
    }),
    roomWaiting: new Gauge({
      name: 'ticktak_room_waiting',
      help: 'People in the waiting room who were not let in yet',
      registers,
    }),
    roomAdmitted: new Gauge({
      name: 'ticktak_room_admitted',
      help: 'People let in since the round of the waiting room began',
      registers,
    }),
    roomInside: new Gauge({
      name: 'ticktak_room_inside',
      help: 'Of those, with a pass and without a hold so far',
      registers,
    }),
    roomPerMinute: new Gauge({
      name: 'ticktak_room_per_minute',
      help: 'People who may be let in a minute, as it is now',
      registers,
    }),
    lakeBookings: new Counter({
      name: 'ticktak_lake_bookings_total',
      help: 'Rows of bookings written into the data lake',
      registers,
    }),
    lakeFiles: new Gauge({
      name: 'ticktak_lake_files',
      help: 'Files of the data lake that count',
      registers,
    }),
    lakeBehindSeconds: new Gauge({
      name: 'ticktak_lake_behind_seconds',
      help: 'How old what the data lake was read up to is',
      registers,
    }),
    shed: new Counter({
      name: 'ticktak_shed_total',
      help: 'Requests that were not let in because too much is asked, by class: refused, or answered from what was at hand (stale)',
      labelNames: ['class', 'answer'],
      registers,
    }),
    shedShare: new Gauge({
      name: 'ticktak_shed_share',
      help: 'Part of the requests of a class that is not let in now, 0 to 1',
      labelNames: ['class'],
      registers,
    }),
    breakerState: new Gauge({
      name: 'ticktak_breaker_state',
      help: 'Whether a dependency is asked: 0 it is, 1 one call asks whether it is back, 2 it is left alone',
      labelNames: ['dependency'],
      registers,
    }),
    oversubscribedTickets: new Gauge({
      name: 'ticktak_oversubscribed_tickets',
      help: 'Tickets pended or sold beyond their capacity across marketplaces, in total',
      registers,
    }),
  };
}
