/**
 * The design system: what every screen is made of.
 *
 * Guarantees: everything can be used with a keyboard and is named for screen readers; targets are at least 44 px;
 * looks come from the tokens of styles/tokens.css, so both themes and both directions hold everywhere.
 */
import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Link, type LinkProps } from 'react-router';

export type ButtonLook = 'primary' | 'secondary' | 'quiet' | 'danger';

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: ButtonLook;
  /** Something it began is under way: it stays focused, says so, and cannot be pressed again. */
  readonly isBusy?: boolean;
}

export function Button({
  look = 'primary',
  isBusy = false,
  className = '',
  ...rest
}: ButtonProps): ReactNode {
  const { onClick, children, type = 'button', ...more } = rest;
  return (
    <button
      {...more}
      type={isBusy ? 'button' : type}
      className={`button button-${look} ${className}`}
      aria-disabled={isBusy || undefined}
      aria-busy={isBusy || undefined}
      onClick={isBusy ? undefined : onClick}
    >
      {isBusy && <span className="button-spinner" aria-hidden="true" />}
      {children}
    </button>
  );
}

/** Goes somewhere, and looks like a button. */
export function ButtonLink({
  look = 'primary',
  className = '',
  ...rest
}: LinkProps & { readonly look?: ButtonLook }): ReactNode {
  return <Link {...rest} className={`button button-${look} ${className}`} />;
}
