/** How it is with the network, and what waits for it. */
import { useState, type ReactNode } from 'react';
import type { Snapshot } from '../../check-in/station';
import { useCheckInText } from '../../i18n/check-in';
import { Button, ButtonLink } from '../../ui/button';
import { Notice } from '../../ui/panels';
import { LiveRegion } from '../../ui/toast';
import { useMoment } from './parts';

export function StatusStrip({ snapshot }: { readonly snapshot: Snapshot }): ReactNode {
  const t = useCheckInText('status');
  const moment = useMoment();
  const { link, queue } = snapshot;
  const isOnline = link.kind === 'online';
  const [wasOffline, setWasOffline] = useState(false);
  if (!isOnline && !wasOffline) setWasOffline(true);
  return (
    <>
      <div className={isOnline ? 'gate-status' : 'gate-status gate-status-offline'}>
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
          <path d="M3 9a13 13 0 0 1 18 0M6.5 12.5a8 8 0 0 1 11 0M10 16a3 3 0 0 1 4 0" className="stroke" />
          {!isOnline && <path d="M4 20 20 4" className="stroke" />}
        </svg>
        <p>
          <strong>{isOnline ? t('online') : t('offline', { time: moment(link.since) })}</strong>{' '}
          <span className="gate-waiting">{waiting()}</span>
        </p>
      </div>
      <LiveRegion>{spoken()}</LiveRegion>
    </>
  );

  /** Nothing while there was nothing to tell. */
  function spoken(): string {
    if (!isOnline) return t('spokenOffline');
    return wasOffline ? t('spokenOnline') : '';
  }

  function waiting(): string {
    if (queue.waiting === 0) return t('sent');
    return queue.isSending ? t('sending', { count: queue.waiting }) : t('waiting', { count: queue.waiting });
  }
}

/** What keeps scans from being sent, and what to do about it. */
export function Hindrances(props: { readonly snapshot: Snapshot; readonly onRetry: () => void }): ReactNode {
  const { snapshot, onRetry } = props;
  const t = useCheckInText('status');
  const moment = useMoment();
  const { refused, queue } = snapshot;
  return (
    <>
      {refused !== null && (
        <Notice tone="warn" title={t(`${refused}.title`)} isUrgent>
          <p>{t(`${refused}.body`)}</p>
          {refused === 'log_in' && (
            <p>
              <ButtonLink look="secondary" to="/login?next=%2Fcheck-in" reloadDocument>
                {t('logIn')}
              </ButtonLink>
            </p>
          )}
        </Notice>
      )}
      {queue.stuck.length > 0 && (
        <Notice tone="bad" title={t('stuckTitle', { count: queue.stuck.length })}>
          <ul className="stack">
            {queue.stuck.map(({ scanId, at, gate, stuck }) => (
              <li key={scanId}>{t('stuckBody', { time: moment(at), gate, reason: stuck ?? '' })}</li>
            ))}
          </ul>
          <p>
            <Button look="secondary" onClick={onRetry}>
              {t('stuckRetry')}
            </Button>
          </p>
        </Notice>
      )}
    </>
  );
}
