/** The station of this page, and what of the browser it is told of. */
import { useEffect, useState, useSyncExternalStore } from 'react';
import { api, serverClock, session } from '../../api';
import { remoteOf } from '../../check-in/remote';
import { findVerify } from '../../check-in/signature';
import { Station, type Snapshot } from '../../check-in/station';
import { GateStore } from '../../check-in/store';

function newStation(): Station {
  return new Station({
    openStore: (onEnded) => GateStore.open(onEnded),
    remote: remoteOf(api),
    findVerify: () => findVerify(),
    now: () => serverClock.now(),
    newId: () => crypto.randomUUID(),
    random: Math.random,
    schedule: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    exclusively,
    who: () => (session.state.kind === 'account' ? session.state.account.name : null),
    isBrowserOnline: () => navigator.onLine,
  });
}

/** Older browsers have no locks: there two tabs may send the same scans, which changes nothing. */
async function exclusively<T>(run: () => Promise<T>): Promise<T> {
  const locks = (navigator as Partial<Navigator>).locks;
  if (!locks) return run();
  // The lock's own type of what comes out is the promise that went in.
  return locks.request('ticktak.check-in.send', run);
}

export function useStation(): { readonly station: Station; readonly snapshot: Snapshot } {
  const [station] = useState(newStation);
  useEffect(() => {
    void station.start();
    const online = (): void => station.heardOnline(true);
    const offline = (): void => station.heardOnline(false);
    const seen = (): void => {
      if (document.visibilityState === 'visible') station.wake();
    };
    let who = session.state;
    const unsubscribe = session.subscribe(() => {
      const isNew = who.kind !== 'account' && session.state.kind === 'account';
      who = session.state;
      if (isNew) station.wake();
    });
    window.addEventListener('online', online);
    window.addEventListener('offline', offline);
    document.addEventListener('visibilitychange', seen);
    return () => {
      window.removeEventListener('online', online);
      window.removeEventListener('offline', offline);
      document.removeEventListener('visibilitychange', seen);
      unsubscribe();
      station.stop();
    };
  }, [station]);
  const snapshot = useSyncExternalStore(station.subscribe, () => station.snapshot);
  return { station, snapshot };
}
