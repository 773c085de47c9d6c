/**
 * A question before something that others feel.
 *
 * Guarantees: nothing is sent before it is confirmed, and once for each press; what was refused is said in the dialog,
 * which stays open with all that was typed; where a phrase is asked for, only that phrase will do.
 */
import { useId, type ReactNode, useState } from 'react';
import { useForm } from '../../account/use-form';
import { useOperatorText } from '../../i18n/operator';
import { useText } from '../../i18n/locale';
import { Button, type ButtonLook } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { Field } from '../../ui/field';
import { ErrorPanel } from '../../ui/panels';
import { NoteField } from './note-field';

export interface ConfirmDialogProps {
  readonly title: string;
  /** What will happen. */
  readonly children?: ReactNode;
  /** On the button: what it does. */
  readonly action: string;
  readonly look?: ButtonLook;
  /** To be typed. */
  readonly phrase?: string;
  readonly note?: 'required' | 'optional';
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** Does it; the dialog closes when it is done. What it throws is shown. */
  readonly onConfirm: (note: string) => Promise<unknown>;
}

export function ConfirmDialog(props: ConfirmDialogProps): ReactNode {
  const { title, isOpen, onClose } = props;
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose} isAlert>
      {(close) => <Question {...props} close={close} />}
    </Dialog>
  );
}

type Fields = 'phrase' | 'note';

function Question(props: ConfirmDialogProps & { readonly close: () => void }): ReactNode {
  const { children, action, look = 'danger', phrase, note: noteWanted, onConfirm, close } = props;
  const t = useOperatorText('confirm');
  const common = useText('common');
  const form = useForm<Fields>();
  const [typed, setTyped] = useState('');
  const [note, setNote] = useState('');
  const body = useId();
  const faults: Fields[] = [];
  if (phrase !== undefined && !isTyped(typed, phrase)) faults.push('phrase');
  if (noteWanted === 'required' && note.trim() === '') faults.push('note');
  const send = async (): Promise<void> => {
    await onConfirm(note.trim());
    close();
  };
  return (
    <form className="stack" noValidate onSubmit={(event) => form.submit(event, faults, send)}>
      {children !== undefined && (
        <div id={body} className="stack">
          {children}
        </div>
      )}
      {noteWanted !== undefined && (
        <NoteField
          value={note}
          isWrong={form.wrong.has('note')}
          isOptional={noteWanted === 'optional'}
          onChange={(value) => {
            setNote(value);
            form.touched('note');
          }}
        />
      )}
      {phrase !== undefined && (
        <Field
          name="phrase"
          label={t.rich('typePhrase', {
            phrase: () => <bdi className="mono">{phrase}</bdi>,
          })}
          error={form.wrong.has('phrase') ? t('phraseWrong') : undefined}
          dir="ltr"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            form.touched('phrase');
          }}
        />
      )}
      {form.problem && <ErrorPanel problem={form.problem}>{detailOf(form.problem.detail)}</ErrorPanel>}
      <div className="row">
        <Button type="submit" look={look} isBusy={form.isBusy}>
          {action}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}

/** Spaces around it are nobody's doubt. */
export const isTyped = (typed: string, phrase: string): boolean => typed.trim() === phrase;

/** Operators are told what the server said, in its words. */
const detailOf = (detail: string | undefined): ReactNode =>
  detail === undefined ? null : (
    <p className="small" lang="en" dir="ltr">
      {detail}
    </p>
  );
