/** Which connections processes have. Linux only: it reads /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Of /proc/net/tcp (net/tcp_states.h). */
const ESTABLISHED = '01';

/** The remote port of each established connection, by the inode of its socket: the text of /proc/<pid>/net/tcp or tcp6. */
export function remotePortsIn(table: string): ReadonlyMap<string, number> {
  const lines = table.split('\n').slice(1);
  return new Map(
    lines.flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [remote = '', state, inode = ''] = [fields[2], fields[3], fields[9]];
      const port = Number.parseInt(remote.split(':')[1] ?? '', 16);
      return state === ESTABLISHED && port > 0 ? [[inode, port] as const] : [];
    }),
  );
}

/** How many connections a process has made to a port of this machine that are established. 0 when it is gone. */
export function connectionsTo(pid: number, port: number): number {
  try {
    const tables = ['tcp', 'tcp6'].map((name) =>
      remotePortsIn(readFileSync(`/proc/${pid}/net/${name}`, 'utf8')),
    );
    return socketsOf(pid).filter((inode) => tables.some((table) => table.get(inode) === port)).length;
  } catch {
    return 0;
  }
}

function socketsOf(pid: number): string[] {
  const dir = `/proc/${pid}/fd`;
  return readdirSync(dir).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${dir}/${fd}`))?.[1] ?? [];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}
