/** What the benchmark counts as connections of a process. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { connectionsTo, remotePortsIn } from '../../bench/sockets.js';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0 0 10 0
   1: 0100007F:A1B2 0100007F:18EB 01 00000000:00000000 00:00000000 00000000     0        0 1002 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:A1B3 0100007F:18EB 06 00000000:00000000 03:00000FA0 00000000     0        0 0 3 0000000000000000
`;

describe('connections of a process', () => {
  const open: Socket[] = [];
  const server = createServer((socket) => void open.push(socket));
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy();
    server.close();
  });

  it('are those that are established, and neither listen nor end', () => {
    expect([...remotePortsIn(TABLE)]).toEqual([['1002', 6379]]);
  });

  (existsSync('/proc/self/net/tcp') ? it : it.skip)('are counted by where they lead', async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(connectionsTo(process.pid, port)).toBe(0);
    for (let made = 1; made <= 3; made += 1) {
      const accepted = once(server, 'connection');
      const socket = connect(port, '127.0.0.1');
      open.push(socket);
      await Promise.all([accepted, once(socket, 'connect')]);
      expect(connectionsTo(process.pid, port)).toBe(made);
    }
    // A process that is gone has none.
    expect(connectionsTo(2 ** 30, port)).toBe(0);
  });
});
