/** Who was let in without a network and should not have been. */
import { useRef, useState, type ReactNode } from 'react';
import { asProblem, type ApiProblem } from '../../api/problem';
import { NOTE_CHARS_MAX, REFUSALS, type Conflict, type LetIn } from '../../check-in/remote';
import type { Snapshot } from '../../check-in/station';
import { useCheckInText } from '../../i18n/check-in';
import { Button } from '../../ui/button';
import { Field } from '../../ui/field';
import { ErrorPanel } from '../../ui/panels';
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

interface Resolving {
  /** Rejects with `ApiProblem`. */
  readonly onResolve: (id: string, note: string) => Promise<void>;
}

/** Of every device at this match. */
export function AllConflicts(props: Resolving & { readonly conflicts: readonly Conflict[] }): ReactNode {
  const { conflicts, onResolve } = props;
  const t = useCheckInText('conflicts');
  if (conflicts.length === 0) return <p className="soft">{t('all', { count: 0 })}</p>;
  const open = conflicts.filter(({ resolved }) => !resolved).length;
  return (
    <details className="gate-all-conflicts">
      <summary>
        {t('all', { count: conflicts.length })} <span className="soft">{t('open', { count: open })}</span>
      </summary>
      <ul className="gate-conflict-list">
        {conflicts.map((conflict) => (
          <KeptByAll key={conflict.id} conflict={conflict} onResolve={onResolve} />
        ))}
      </ul>
    </details>
  );
}

function KeptByAll({ conflict, onResolve }: Resolving & { readonly conflict: Conflict }): ReactNode {
  const { id, ticketId, resolved } = conflict;
  const t = useCheckInText('conflicts');
  const moment = useMoment();
  const item = useRef<HTMLLIElement>(null);
  return (
    <li className="gate-conflict" ref={item} tabIndex={-1}>
      <Told {...conflict} />
      {resolved ? (
        <div className="gate-resolved">
          <p>
            <strong>{t('resolved', { time: moment(resolved.at), by: resolved.by })}</strong>
          </p>
          <p dir="auto">{resolved.note}</p>
        </div>
      ) : (
        <ResolveForm
          ticketId={ticketId}
          onResolve={async (note) => {
            await onResolve(id, note);
            // The form goes; the focus must not get lost.
            item.current?.focus();
          }}
        />
      )}
    </li>
  );
}

function ResolveForm(props: {
  readonly ticketId: string;
  readonly onResolve: (note: string) => Promise<void>;
}): ReactNode {
  const { ticketId, onResolve } = props;
  const t = useCheckInText('conflicts');
  const [note, setNote] = useState('');
  const [isMissing, setMissing] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setProblem(null);
    setMissing(note.trim() === '');
    if (note.trim() === '') return;
    setBusy(true);
    try {
      await onResolve(note.trim());
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="stack gate-resolve"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Field
        label={t('note')}
        error={isMissing ? t('noteMissing') : undefined}
        value={note}
        maxLength={NOTE_CHARS_MAX}
        autoComplete="off"
        required
        onChange={(event) => setNote(event.target.value)}
      />
      {problem && <ErrorPanel problem={problem} />}
      <Button type="submit" look="secondary" isBusy={isBusy} aria-label={t('resolveOf', { id: ticketId })}>
        {t('resolve')}
      </Button>
    </form>
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
