/*
 * Keys that were made for these tests alone, as `openssl` writes them, and what they have signed.
 */
#ifndef TESTS_UNIT_PAIRS_H
#define TESTS_UNIT_PAIRS_H

#define PEM(kind, lines) "-----BEGIN " kind "-----\n" lines "-----END " kind "-----\n"

/* One key of P-256 in its several forms. */
#define P256_SEC1 \
    PEM("EC PRIVATE KEY", \
        "MHcCAQEEIC0HCJ5EtQa2pXrkUqJD98L+xCKEwlx4rd44888EgGL1oAoGCCqGSM49\n" \
        "AwEHoUQDQgAEldzglpb7PWJ0Yiq2N+ioMvq9gGqYAkeHX5LClG+6O0mS2g/IYOlE\n" \
        "QRdex+ejY96+DtFGbzplgMJLovO4j2qQgw==\n")
#define P256_PKCS8 \
    PEM("PRIVATE KEY", \
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLQcInkS1BraleuRS\n" \
        "okP3wv7EIoTCXHit3jjzzwSAYvWhRANCAASV3OCWlvs9YnRiKrY36Kgy+r2AapgC\n" \
        "R4dfksKUb7o7SZLaD8hg6URBF17H56Nj3r4O0UZvOmWAwkui87iPapCD\n")
#define P256_PUBLIC \
    PEM("PUBLIC KEY", \
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEldzglpb7PWJ0Yiq2N+ioMvq9gGqY\n" \
        "AkeHX5LClG+6O0mS2g/IYOlEQRdex+ejY96+DtFGbzplgMJLovO4j2qQgw==\n")
#define P256_CERTIFICATE \
    PEM("CERTIFICATE", \
        "MIIBbjCCAROgAwIBAgIUCezNBi6hSM5Q6ewHl8AoYXw6CiwwCgYIKoZIzj0EAwIw\n" \
        "DDEKMAgGA1UEAwwBeDAeFw0yNjExMjExNjMxNTlaFw0yNjExMjIxNjMxNTlaMAwx\n" \
        "CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASV3OCWlvs9YnRi\n" \
        "KrY36Kgy+r2AapgCR4dfksKUb7o7SZLaD8hg6URBF17H56Nj3r4O0UZvOmWAwkui\n" \
        "87iPapCDo1MwUTAdBgNVHQ4EFgQUj3mT9MY8qyh8vH/Np8MSTaH/G28wHwYDVR0j\n" \
        "BBgwFoAUj3mT9MY8qyh8vH/Np8MSTaH/G28wDwYDVR0TAQH/BAUwAwEB/zAKBggq\n" \
        "hkjOPQQDAgNJADBGAiEAz2hTroS2K2LJihMY5s1qnVzQ9qspTp+9yunKs8/dbwEC\n" \
        "IQCBJ3hh1oy3pLCoNv25KSj314ewqa//G4cgwEV06zepag==\n")
/* Encrypted; the passphrase is "gatehouse". */
#define P256_ENCRYPTED \
    PEM("ENCRYPTED PRIVATE KEY", \
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjQ8V+WkTigvAICCAAw\n" \
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEHblnNlz5qxqoYMjpk14OfkEgZAn\n" \
        "ODCslep66pTDi/UwxfzNZXYeAHYEz2C4QKHDi0cK/ceaSFcDOSyNhgtLj+3AY8i6\n" \
        "P29v5VN3XYA2/58IMk/rZM5LCl11gPUwNvEYqK1TG9QpU1f7P2KDQd9XsbS1f/yB\n" \
        "LMq1vifEHE3pWfTRgaf4s3TFl24UWanz8dC3DqTVw7/kd+/CSZMG5TEA2wHzi7U=\n")
/* Its public half is another key's. */
#define P256_MIXED \
    PEM("EC PRIVATE KEY", \
        "MHcCAQEEIC0HCJ5EtQa2pXrkUqJD98L+xCKEwlx4rd44888EgGL1oAoGCCqGSM49\n" \
        "AwEHoUQDQgAEJz8Gq9QaNQmDNgOCq+oHJ59RPxxdorCG49LrFzAW+N8pap39Mz1I\n" \
        "22SYvUGt885O39bqoorIYpI65V5YjQ1mlQ==\n")
/* The curve is written out instead of named. */
#define P256_EXPLICIT \
    PEM("EC PRIVATE KEY", \
        "MIIBaAIBAQQgBX/NK4T5TqPYQyzp7AkES5dsaxoliiIzEkOLBsigPMCggfowgfcC\n" \
        "AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////\n" \
        "MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr\n" \
        "vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE\n" \
        "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W\n" \
        "K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8\n" \
        "YyVRAgEBoUQDQgAELwXw9bNvAD9cMmpWWuCwXf0H0qduolHr8IXYPIYSXnSNo+It\n" \
        "mGwD0tTchy06nEy8A316i8SJPeqCDx7R7e5mdg==\n")
/* The generator is the public point, so that the private number is 1: anybody could sign. */
#define P256_GENERATOR \
    PEM("EC PRIVATE KEY", \
        "MIIBaAIBAQQgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGggfowgfcC\n" \
        "AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////\n" \
        "MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr\n" \
        "vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE\n" \
        "LwXw9bNvAD9cMmpWWuCwXf0H0qduolHr8IXYPIYSXnSNo+ItmGwD0tTchy06nEy8\n" \
        "A316i8SJPeqCDx7R7e5mdgIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8\n" \
        "YyVRAgEBoUQDQgAELwXw9bNvAD9cMmpWWuCwXf0H0qduolHr8IXYPIYSXnSNo+It\n" \
        "mGwD0tTchy06nEy8A316i8SJPeqCDx7R7e5mdg==\n")
/* The last bit of y is another. */
#define P256_OFF_CURVE \
    PEM("PUBLIC KEY", \
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEldzglpb7PWJ0Yiq2N+ioMvq9gGqY\n" \
        "AkeHX5LClG+6O0mS2g/IYOlEQRdex+ejY96+DtFGbzplgMJLovO4j2qQgg==\n")
/* Other curves. */
#define P384_PRIVATE \
    PEM("PRIVATE KEY", \
        "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCM7bUmvx+POML4gdiY\n" \
        "XP0Wx7DeK6RDZGWBjRjyEKkQOrXwYHL7qZA2Mmpyeo6v6mmhZANiAARjphWiqBj7\n" \
        "GKzwuaG08YUOQPFlbyHDJVQZHEzAvJ6CNUYYUb4kwWiTJ7Md/80wh4wVU3BQOY15\n" \
        "P0/IHxo8cmkBCcM3z6qCvw9jIraoulT7i+pzNcGs2QamBvGtEdAcAUA=\n")
#define P384_PUBLIC \
    PEM("PUBLIC KEY", \
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEY6YVoqgY+xis8LmhtPGFDkDxZW8hwyVU\n" \
        "GRxMwLyegjVGGFG+JMFokyezHf/NMIeMFVNwUDmNeT9PyB8aPHJpAQnDN8+qgr8P\n" \
        "YyK2qLpU+4vqczXBrNkGpgbxrRHQHAFA\n")
#define K256_PRIVATE \
    PEM("PRIVATE KEY", \
        "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgRJkwhzk0hYzA6apJfFhK\n" \
        "c34kgU8YqHx8azZJDdtyPzehRANCAATpymtY5sLyVQHYOAx5fbRbPI9Z3TieGeiV\n" \
        "k1l9wa17ZAVkF3RCfLx+DidVBQUYOb67mrJ9GvgOGM4KLaWmaIEf\n")
#define K256_PUBLIC \
    PEM("PUBLIC KEY", \
        "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAE6cprWObC8lUB2DgMeX20WzyPWd04nhno\n" \
        "lZNZfcGte2QFZBd0Qny8fg4nVQUFGDm+u5qyfRr4DhjOCi2lpmiBHw==\n")
#define P224_PUBLIC \
    PEM("PUBLIC KEY", \
        "ME4wEAYHKoZIzj0CAQYFK4EEACEDOgAEqH9c2i2WG9wWCYhAcNT9TDIbNTowBii3\n" \
        "xR28tABKmuVuQ+fNdgwUjDyL3uUN6MJvZrmKr7wsD1Y=\n")
#define ED25519_PRIVATE \
    PEM("PRIVATE KEY", \
        "MC4CAQAwBQYDK2VwBCIEIBuljfSznKBNubh1GBi3XM4tV3bNsOlH5IWEdyuEMUZD\n")
#define ED25519_PUBLIC \
    PEM("PUBLIC KEY", \
        "MCowBQYDK2VwAyEApsE77+lDtuAwsYCD2DNsb1GBSoOMb5JRHDsOekNaVPI=\n")
/* RSA of 2048, 2040 and 1024 bits, and one that is for PSS alone. */
#define RSA2048_PUBLIC \
    PEM("PUBLIC KEY", \
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAmWD7tm4BCi7RNntTVEOB\n" \
        "YONAfoq3Lf5E75iyn1ySjlEmthmRBXEWjOn+T/d6LmJ1rP3qd1nheroobo4YjWPC\n" \
        "9q2gud0vUQTqpfQJ+yY06iIlQ+wblow1rgB2ELRR71siXLkpswB3lDWyTszcrBt2\n" \
        "bfePeKA4HkUVBdw+w0GWy5anu6A2PDko66Gw12Mk3kAIPUAgHUMDveyQo248tWeo\n" \
        "GKQCMEj1yXNbjG5K0w9XawnMyPO4N5qXgf+CM7b/yc84LhvLzcCOvGZbwyx8kUAH\n" \
        "7k3tplsCigDwhS0wykqkfUVjpZVeveFE1j57g2RV5NI3mfsRA/RjtpAklz+k2nBb\n" \
        "JQIDAQAB\n")
#define RSA2040_PUBLIC \
    PEM("PUBLIC KEY", \
        "MIIBITANBgkqhkiG9w0BAQEFAAOCAQ4AMIIBCQKCAQAA7bESMtZWodH4TSQuew0V\n" \
        "O1s0fi4HFRD9RJ22fsp5/Pu1ULib6jCs9/hDDt6zZPTkRV7CpOWwc1cCebryNKEQ\n" \
        "5dNd44cttPLPJVe9tnJs7oP/6TXkk/DU1pbfF7ELpl8NRDeQubqMHTtaTgWwJv57\n" \
        "05gryA5FLO8cZwmkDng9+0FD1z2VTskLchReLHfU1cAXVEaUHAwIltGHQqP+o2Li\n" \
        "UOejTnmvGFLkxGRb7xCpY1pr/4grtjrAMXXeYvNxpD9MEdQlqZT6maFnmOAI2JoJ\n" \
        "Yc9R71o7PASy89N4cqX342WUzDeMklPngthGtU0a30UgP7Yfm2WmhEsswtbjBoRD\n" \
        "AgMBAAE=\n")
#define RSA1024_PUBLIC \
    PEM("PUBLIC KEY", \
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDXJcqGHDbySLtFhdp1fi3tNjA8\n" \
        "ragL3Me3NS4hwVxbpMLD2mjsLGFEiGeT2cGVIz+wXzIrb74eQ7icYX3soSr/PWah\n" \
        "PSQ1eEdDu+XC0TPxMqGyI/Z8nBsBNXKB12+/35mye0Jp2XB3LSyEwbrY6hSRZ9AW\n" \
        "kdnVOgwpNhCDWiYKrQIDAQAB\n")
#define RSA_PSS_PUBLIC \
    PEM("PUBLIC KEY", \
        "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAKMePK1x/swkRdOQQBO8Wmlk\n" \
        "PD7ufk/aG0i4Wniiwq6fJnDVEY+eMD41jvMrtlUutBZ5zGJGN8yFrIHSt+UCIKWh\n" \
        "ogyWSqeAXfjZ4nRGZCsAhF/Ab1KOE1NiDHQCooCWCoCauq5fOWkixgknoOEB4qLr\n" \
        "2Q/fIU6z1xlaStwQF2khZ7pBUs1gIMCTIa7KB+N3YdPDXC45caToIswYbOk7j6uB\n" \
        "lmr2gP+yp7Ahi0accosDVgD/hzonGWWDGUhNDsuGR8JUMN0aYprXi4dOTXQCNqkK\n" \
        "HG0X1PujVv/wSkoYTqypHNek6B46RUq63vcay45IO2yzeYDKXY/AwMyNHkJ2AC8C\n" \
        "AwEAAQ==\n")
#define P256_ENCRYPTED_SEC1 \
    PEM("EC PRIVATE KEY", \
        "Proc-Type: 4,ENCRYPTED\n" \
        "DEK-Info: AES-128-CBC,4B086188D2BF00CA386F724302FA44F3\n" \
        "\n" \
        "etr9Qat8PeQDJwchEm8DGDX2F5WkGX23ewhTtMLhQgHMKiuSpTD+kkPWjx5gRCuy\n" \
        "Tvf481eVYc8xGMPzO2QNOZnz++qmqNsVKGJ0FtvRZogbV3k0g2anRu+qmpG9VOp+\n" \
        "VHLY6+CkUlVJPer3IjOexeyo2HlflGIY2+rcCVjahrM=\n")

/* RFC 7515, A.1 and A.3: keys, and texts that they have signed. */
#define RFC_PAYLOAD \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cn" \
    "VlfQ"
#define RFC_K \
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define RFC_HS256 \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
#define RFC_MAC \
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define RFC_X \
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define RFC_Y \
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define RFC_ES256 \
    "eyJhbGciOiJFUzI1NiJ9"
#define RFC_ECDSA \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
/* The same with s turned over: as good a signature, and another text. */
#define RFC_ECDSA_TWIN \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmU69fgrc8OPGycO0lD3tat_FoFp57SETepkeks4eL_QfA"
/* The same as DER, and with the order of the curve added to s (33 bytes) or in place of it. */
#define RFC_ECDSA_DER \
    "MEUCIA7RIVN5Y2xIPC9_FVgH1AKjsigDOvl8fheBmsMWnqZlAiEAxQoH04w8cOXY8S2vCEpUgKZlkMXyk1Cajz9_io" \
    "OjVNU"
#define RFC_ECDSA_ORDER \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmX_____AAAAAP__________vOb6racXnoTzucrC_GMlUQ"
#define RFC_ECDSA_WIDE \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmUBxQoH0ow8cObY8S2vCEpUgGNMi3OZqu8fgvlKTYAGeiY"

/* RSA2048_PUBLIC as numbers; {"alg":"RS256"} and the payload above signed with it; then with PSS, and
 * with SHA-512. */
#define RSA_N \
    "mWD7tm4BCi7RNntTVEOBYONAfoq3Lf5E75iyn1ySjlEmthmRBXEWjOn-T_d6LmJ1rP3qd1nheroobo4YjWPC9q2gud" \
    "0vUQTqpfQJ-yY06iIlQ-wblow1rgB2ELRR71siXLkpswB3lDWyTszcrBt2bfePeKA4HkUVBdw-w0GWy5anu6A2PDko" \
    "66Gw12Mk3kAIPUAgHUMDveyQo248tWeoGKQCMEj1yXNbjG5K0w9XawnMyPO4N5qXgf-CM7b_yc84LhvLzcCOvGZbwy" \
    "x8kUAH7k3tplsCigDwhS0wykqkfUVjpZVeveFE1j57g2RV5NI3mfsRA_RjtpAklz-k2nBbJQ"
#define RSA_RS256 \
    "eyJhbGciOiJSUzI1NiJ9"
#define RSA_SIGNATURE \
    "Jld6XWjs8f1Mz9NIYZm7pW7fF605PSCZdu5QeZKb8IjdK8lafItSF0weimX4s7wMpfxY6M1_20sELLEBJuz69MZBog" \
    "Ghjut3BaXqP3QtjaGf5PRJd0wYIom62Dc70_f57gVjZrrvZR_0QwoInxUbWbgDC2-6aDNeNDQvtP0uzh2hnENUSJ0D" \
    "sjRgpBYzixfcLaIMg1sxKuvzlNxaaRfxunJMFTYm6EX6100HxA50AW6IfDQ6ebr__eYRmujr-bSJWBmAmbBTIw50Q5" \
    "fo63_5XrJYVKQSVBqqDpBUI4skXAmbLTS-f3jOvJahWHGseS_0TpCzxDH-gxb-MKyT6FFBAg"
#define RSA_PSS \
    "hGGXHDtq63-zslC6JmgL-1l0TRgWYiVgyM1IkDSJxU5B37y8m_6C4afJCJs_UGV0_5WoSGK_tKZuHGB77j1P7JuE95" \
    "66rz8JyJlog_mO-UniS1jK4S636Ix9Vv6_h0veRbPISVO-0fOA0BapaoxTBqZLbaSB4R0UUVWbNMVOb7T5qPr8hE6q" \
    "ICamz4W7u-PJBZnbTsOwfHxoM85lOdkmtNj4WfweduplBBkjwg3eTPk_jWgIrCbOnjWhx2MAaw182u22RnFsr-z27u" \
    "rY7dYz5EQCOmU-TNbv17AQ3SgluwLAiSuKgKljjFFH5oHU-oK94q0BMwol0x_h5OEHTHxUXw"
#define RSA_SHA512 \
    "AJ-forFETqNXiSkKFCsqVm7fiio3sa6t8nXZhIr_rBlUtD8SpJrfIk8cHd1NuhjDYu2TqiJnOzdPfL7Qfo9mlkub9s" \
    "3-DQ3jNHe5T5nJMvrZxWjqzA35DNyAp5c4avCtOpwrPTS0-1-y74-k9tQRlZa5y8YWmWvxubeQMD-2uE7MoVJcyo-5" \
    "vT0GB3AgpPCx3ryyDgLW62WVcblOfzeanTAYLmoHjjvEDviWnlWPa-_WRQ739nGdy8DEkq4ua5cYN3c-oBg5EhEAJC" \
    "vrJ40qvX4frFFZUxNWjy_qvxEzXrRJGT4HrcUDib25waIxnqGtXFgREGSsonG8-MBeIU9B3w"

#endif
