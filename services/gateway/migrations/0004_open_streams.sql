-- migrate:up
-- How many event streams each user holds at each replica, so that the limit holds over all of them. Unlogged: after a
-- crash of the server every replica tells its counts again.
create unlogged table stream_replicas (
    replica_id uuid primary key,                 -- new at each start of a gateway
    alive_until timestamptz not null             -- one that died holds nothing after this
);
create unlogged table open_streams (
    user_id text not null,
    replica_id uuid not null,
    count integer not null,
    primary key (user_id, replica_id)
);

-- May `who` hold so many streams at this replica? If so they are counted. One user's questions wait for each other.
create function admit_stream(replica uuid, who text, held integer, most integer) returns boolean
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1381253448, hashtext(who));
    if held + coalesce((
        select sum(s.count) from open_streams s join stream_replicas r using (replica_id)
        where s.user_id = who and s.replica_id <> replica and r.alive_until > now()), 0) > most
    then
        return false;
    end if;
    insert into open_streams (user_id, replica_id, count) values (who, replica, held)
    on conflict (user_id, replica_id) do update set count = greatest(open_streams.count, held);
    return true;  -- two questions of one replica may come in either order; what it tells later sets the count
end $$;

-- migrate:down
drop function admit_stream;
drop table open_streams, stream_replicas;
