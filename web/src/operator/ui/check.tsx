/** A box to tick, with its words. */
import type { ReactNode } from 'react';

export function Check(props: {
  readonly isChecked: boolean;
  readonly onChange: (isChecked: boolean) => void;
  readonly children: ReactNode;
}): ReactNode {
  const { isChecked, onChange, children } = props;
  return (
    <label className="operator-check">
      <input type="checkbox" checked={isChecked} onChange={(event) => onChange(event.target.checked)} />
      <span>{children}</span>
    </label>
  );
}
