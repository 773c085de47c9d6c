/** A phrase to type before what cannot be undone. */
import { useState, type ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Field } from '../../ui/field';
import { isTyped } from '../ui/confirm-dialog';

export function PhraseField(props: {
  readonly phrase: string;
  readonly onTyped: (isTyped: boolean) => void;
}): ReactNode {
  const { phrase, onTyped } = props;
  const t = useOperatorText('confirm');
  const matches = useOperatorText('matches');
  const [typed, setTyped] = useState('');
  return (
    <Field
      name="phrase"
      label={t.rich('typePhrase', { phrase: () => <bdi className="mono">{phrase}</bdi> })}
      hint={matches('phraseHint')}
      dir="ltr"
      autoComplete="off"
      autoCapitalize="none"
      spellCheck={false}
      value={typed}
      onChange={(event) => {
        setTyped(event.target.value);
        onTyped(isTyped(event.target.value, phrase));
      }}
    />
  );
}
