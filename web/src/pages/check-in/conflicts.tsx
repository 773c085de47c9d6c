/** Who was let in without a network and should not have been. */
import { useRef, type ReactNode } from 'react';
import { REFUSALS, type Conflict, type LetIn } from '../../check-in/remote';
import type { Snapshot } from '../../check-in/station';
import { useCheckInText } from '../../i18n/check-in';
import { Button } from '../../ui/button';
import { LiveRegion } from '../../ui/toast';
import { useMoment } from './parts';

/** Of this device, until they are dismissed. */
export function OwnConflicts(props: {
  readonly conflicts: Snapshot['conflicts'];
  readonly onDismiss: (scanId: string) => void;
}): ReactNode {
  const { conflicts, onDismiss } = props;
  const t = useCheckInText('conflicts');
  const box = useRef<HTMLElement>(null);
  return (
    <>
      <LiveRegion>{conflicts.length === 0 ? '' : t('spoken', { count: conflicts.length })}</LiveRegion>
      {conflicts.length > 0 && (
        <section className="notice notice-bad gate-conflicts" ref={box} tabIndex={-1}>
          <h2 className="notice-title">{t('title')}</h2>
          <p>{t('body')}</p>
          <ul className="gate-conflict-list">
            {conflicts.map((conflict) => (
              <li key={conflict.scanId} className="gate-conflict">
                <Told {...conflict} />
                <Button
                  look="secondary"
                  aria-label={t('dismissOf', { id: conflict.ticketId })}
                  onClick={() => {
                    // The button goes; the focus must not get lost.
                    box.current?.focus();
                    onDismiss(conflict.scanId);
                  }}
                >
                  {t('dismiss')}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** Of every device at this match. */
export function AllConflicts({ conflicts }: { readonly conflicts: readonly Conflict[] }): ReactNode {
  const t = useCheckInText('conflicts');
  if (conflicts.length === 0) return <p className="soft">{t('all', { count: 0 })}</p>;
  return (
    <details className="gate-all-conflicts">
      <summary>{t('all', { count: conflicts.length })}</summary>
      <ul className="gate-conflict-list">
        {conflicts.map((conflict) => (
          <li key={conflict.id} className="gate-conflict">
            <Told {...conflict} />
          </li>
        ))}
      </ul>
    </details>
  );
}

function Told(props: {
  readonly ticketId: string;
  readonly kind: Conflict['kind'];
  readonly reason?: string;
  readonly first?: LetIn;
  readonly second: LetIn;
}): ReactNode {
  const { ticketId, kind, reason, first, second } = props;
  const t = useCheckInText('conflicts');
  const moment = useMoment();
  const known = REFUSALS.find((one) => one === reason) ?? 'other';
  return (
    <div>
      <p>
        <strong>
          {kind === 'twice' ? t('twice') : t('let_in_refused', { reason: t(`reason.${known}`) })}
        </strong>
      </p>
      <p className="small">{t('ticket', { id: ticketId })}</p>
      {first && <p>{t('first', { ...first, time: moment(first.at) })}</p>}
      <p>{t('second', { ...second, time: moment(second.at) })}</p>
    </div>
  );
}
