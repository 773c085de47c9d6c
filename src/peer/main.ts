/** `npm run peer`: another marketplace on the brokers' topics, until a signal ends it. */
import { systemClock } from '../process/clock.js';
import { peerHelp, readArguments, wantsHelp, type PeerArguments } from './options.js';
import { Peer, type PeerSummary } from './peer.js';
import { exitCodeOf, marketSettings, print, stopSignal, withLog, type Environment } from './program.js';

const WITHOUT_BROKERS =
  'KAFKA_BROKERS is not set, and a peer of its own is heard over Kafka only. Without Kafka, ' +
  'npm start -- --peers 2 runs two peers inside the marketplace.';

/** Answers the process's exit code. */
export function main(argv: readonly string[], env: Environment): Promise<number> {
  return exitCodeOf(async () => {
    if (wantsHelp(argv)) print(peerHelp());
    else await play(readArguments(argv), env);
  });
}

async function play(options: PeerArguments, env: Environment): Promise<void> {
  const settings = marketSettings(env, options.clientId, WITHOUT_BROKERS);
  const { masterlistTopic, salesTopic, kafkaBrokers } = settings;
  const asked = stopSignal();
  await withLog(settings, async (log) => {
    const { clientId, seed, rate } = options;
    print(`${clientId} sells on ${salesTopic} at ${kafkaBrokers ?? ''}: ${rate} sales/s, --seed ${seed}`);
    const onSummary = (summary: PeerSummary): void => print(`${clientId}  ${summaryLine(summary)}`);
    const peer = new Peer({ ...options, log, clock: systemClock, masterlistTopic, salesTopic, onSummary });
    await peer.start();
    try {
      await asked;
      print('Giving open sales back ...');
    } finally {
      await peer.stop();
    }
  });
}

/** What never happened is not mentioned. */
export function summaryLine(summary: PeerSummary): string {
  if (!summary.hasList) {
    return 'has nothing to sell yet: no master list has come (npm run masterlist publishes one; LOG_LEVEL=error tells more)';
  }
  const { sales, pending, reserved, cancelled, open, heard, left } = summary;
  const seldom = (['repeats', 'garbage', 'reordered', 'silent', 'waiting', 'failures'] as const)
    .filter((name) => summary[name] > 0)
    .map((name) => `, ${summary[name]} ${name}`);
  return (
    `${sales} sales: ${pending} pending, ${reserved} reserved, ${cancelled} cancelled, ${open} open` +
    `${seldom.join('')} | ${heard} messages read, ${left} tickets left`
  );
}
