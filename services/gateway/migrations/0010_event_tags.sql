-- migrate:up

-- Which event has a number of the log: after a restore the number is given again, to another event.
create function event_tag(at timestamptz) returns text language sql immutable as $$
    select to_hex((extract(epoch from at) * 1000000)::bigint)
$$;

alter table event_stream add column pruned_tag text not null default '0';  -- of the event at `pruned_to`

-- Where a client that reads the tables now has to go on in the log.
create function event_place(out seq bigint, out tag text) language sql stable as $$
    select case when l.seq > s.pruned_to then l.seq else s.pruned_to end,
           case when l.seq > s.pruned_to then event_tag(l.at) else s.pruned_tag end
    from event_stream s
    left join lateral (
        select e.seq, e.at from event_log e where e.seq is not null order by e.seq desc limit 1
    ) l on true
$$;

-- migrate:down
drop function event_place;
alter table event_stream drop column pruned_tag;
drop function event_tag;
