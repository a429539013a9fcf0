/** One to five stars, as radio buttons: by mouse, arrows, or the keys 1 to 5. */

import { Star } from "lucide-react";
import { useId } from "react";
import css from "./preview.module.css";

interface StarsProps {
  readonly label: string;
  readonly value: number | null;
  readonly onChange: (value: number) => void;
}

export function Stars({ label, value, onChange }: StarsProps) {
  const name = useId();
  return (
    <fieldset className={css.stars}>
      <legend>{label}</legend>
      {[1, 2, 3, 4, 5].map((n) => (
        <label key={n} className={css.star} data-on={(value ?? 0) >= n || undefined}>
          <input
            type="radio"
            name={name}
            value={n}
            checked={value === n}
            onChange={() => onChange(n)}
            aria-label={`${n}`}
          />
          <Star size={20} aria-hidden fill={(value ?? 0) >= n ? "currentColor" : "none"} />
        </label>
      ))}
    </fieldset>
  );
}
