import { silentLogger } from '../helpers/engine.js';
import { RemoteSecurity } from '../../src/security/remote.js';
import { SERVICE_TOKEN, serve, startBench } from './bench.js';
import { securityContract } from './contract.js';

securityContract('in the process', async () => {
  const bench = await startBench();
  const security = await bench.process();
  return {
    security,
    block: async (cidr) => void (await security.blocks.add({ cidr, reason: 'test', addedBy: 'account:op' })),
    stop: () => bench.stop(),
  };
});

securityContract('over HTTP', async () => {
  const bench = await startBench();
  const local = await bench.process();
  const { service, url } = await serve(bench, local);
  const remote = new RemoteSecurity({
    url,
    serviceToken: SERVICE_TOKEN,
    whenUnreachable: 'deny',
    clock: bench.clock,
    logger: silentLogger,
    timeoutMs: 10_000,
  });
  await remote.start();
  return {
    security: {
      start: () => remote.start(),
      stop: () => remote.stop(),
      check: (request) => remote.check(request),
      checkPerson: (request) => remote.checkPerson(request),
      tell: (fact) => remote.tell(fact),
      hasBought: (person) => remote.hasBought(person),
      async flush() {
        await remote.flush();
        await local.flush();
      },
    },
    block: async (cidr) => void (await local.blocks.add({ cidr, reason: 'test', addedBy: 'account:op' })),
    async stop() {
      await remote.stop();
      await service.close();
      await bench.stop();
    },
  };
});
