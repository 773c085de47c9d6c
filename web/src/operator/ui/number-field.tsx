/** A whole number, typed as text, so that what is not one can be said. */
import type { ComponentProps, ReactNode } from 'react';
import { Field } from '../../ui/field';

export function NumberField(props: ComponentProps<typeof Field>): ReactNode {
  return <Field inputMode="numeric" dir="ltr" autoComplete="off" {...props} />;
}
