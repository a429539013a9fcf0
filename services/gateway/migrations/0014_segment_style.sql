-- migrate:up

-- What the segment adds to the project's style and to the text about its characters.
alter table segments add column style text, add column characters text;

-- migrate:down
alter table segments drop column style, drop column characters;
