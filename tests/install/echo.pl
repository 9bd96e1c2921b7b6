#!/usr/bin/perl
# An application behind a proxy: says which headers it was sent. Perl is there on a bare Debian, too.
use strict;
use warnings;
use IO::Socket::INET;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 3000, Listen => 64,
    ReuseAddr => 1) or die "port 3000: $!";
while (my $client = $listener->accept) {
    my $heard = '';
    while (defined(my $line = <$client>)) {
        last if $line =~ /^\r?$/;
        $heard .= $line;
    }
    print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ", length $heard,
        "\r\nConnection: close\r\n\r\n", $heard;
    close $client;
}
