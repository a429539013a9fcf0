-- migrate:up

-- Frames per second of an uploaded film, as measured.
alter table uploads add column fps double precision;

-- migrate:down
alter table uploads drop column fps;
