/** Fields with their label, hint and error, tied together for screen readers. */
import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes } from 'react';

interface Around {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  /** What is wrong, and what to do. */
  readonly error?: string | undefined;
}

interface Ids {
  readonly id: string;
  readonly describedBy: string | undefined;
}

function useIds({ hint, error }: Around): Ids & { hintId: string; errorId: string } {
  const id = useId();
  const hintId = `${id}-hint`;
  const errorId = `${id}-error`;
  const ids = [error === undefined ? null : errorId, hint === undefined ? null : hintId].filter(Boolean);
  return { id, hintId, errorId, describedBy: ids.length === 0 ? undefined : ids.join(' ') };
}

export function Field({
  label,
  hint,
  error,
  ...input
}: Around & InputHTMLAttributes<HTMLInputElement>): ReactNode {
  const { id, hintId, errorId, describedBy } = useIds({ label, hint, error });
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <input
        {...input}
        id={id}
        className="field-input"
        aria-invalid={error !== undefined || undefined}
        aria-describedby={describedBy}
      />
      <Notes hint={hint} error={error} hintId={hintId} errorId={errorId} />
    </div>
  );
}

/** The browser's own list: complete for every keyboard, screen reader and telephone, without JavaScript too. */
export function Select({
  label,
  hint,
  error,
  children,
  ...select
}: Around & SelectHTMLAttributes<HTMLSelectElement>): ReactNode {
  const { id, hintId, errorId, describedBy } = useIds({ label, hint, error });
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <select
        {...select}
        id={id}
        className="field-input field-select"
        aria-invalid={error !== undefined || undefined}
        aria-describedby={describedBy}
      >
        {children}
      </select>
      <Notes hint={hint} error={error} hintId={hintId} errorId={errorId} />
    </div>
  );
}

function Notes(props: Pick<Around, 'hint' | 'error'> & { hintId: string; errorId: string }): ReactNode {
  const { hint, error, hintId, errorId } = props;
  return (
    <>
      {error !== undefined && (
        <p className="field-error" id={errorId}>
          {error}
        </p>
      )}
      {hint !== undefined && (
        <p className="field-hint" id={hintId}>
          {hint}
        </p>
      )}
    </>
  );
}
